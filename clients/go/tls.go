package vcentergateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"google.golang.org/grpc/credentials"
)

// WithTLS encrypts the connection. A nil config trusts the system's CA certificates.
func WithTLS(config *tls.Config) Option {
	return func(s *settings) {
		if s.tls = config.Clone(); s.tls == nil {
			s.tls = &tls.Config{}
		}
	}
}

// WithRootCAs encrypts the connection and trusts the CA certificates in a PEM file instead of the system's.
func WithRootCAs(pemFile string) Option {
	return withTLSFile(func(config *tls.Config) error {
		pem, err := os.ReadFile(pemFile)
		if err == nil {
			config.RootCAs = x509.NewCertPool()
			if !config.RootCAs.AppendCertsFromPEM(pem) {
				err = errors.New("no certificates in " + pemFile)
			}
		}
		if err != nil {
			return fmt.Errorf("vcentergateway: root certificates: %w", err)
		}
		return nil
	})
}

// WithClientCertificate encrypts the connection and presents a client certificate to the gateway. Both files are in PEM
// format. They are reloaded for every connection, so you can rotate them.
func WithClientCertificate(certFile, keyFile string) Option {
	return withTLSFile(func(config *tls.Config) error {
		load := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
			return &certificate, err
		}
		if _, err := load(nil); err != nil {
			return fmt.Errorf("vcentergateway: client certificate: %w", err)
		}
		config.GetClientCertificate = load
		return nil
	})
}

func withTLSFile(load func(*tls.Config) error) Option {
	return func(s *settings) {
		if s.tls == nil {
			s.tls = &tls.Config{}
		}
		s.tlsFiles = append(s.tlsFiles, load)
	}
}

// transport returns the configured transport: plain text without TLS options.
func (s *settings) transport() (credentials.TransportCredentials, error) {
	if s.tls == nil {
		return newPlaintext(s.credentialsInPlaintext), nil
	}
	for _, load := range s.tlsFiles {
		if err := load(s.tls); err != nil {
			return nil, err
		}
	}
	return credentials.NewTLS(s.tls), nil
}
