package vcentergateway

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// openStream opens a stream for a vCenter, whose errors are an *Error. A stream has no deadline except that of its
// context, because its useful duration is unknown.
func (s *settings) openStream(
	ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer,
	options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	stream, err := open(s.addressed(ctx), desc, conn, method, options...)
	if err != nil {
		// gRPC fails here only while it has no connection for the stream.
		return nil, newError(err, false)
	}
	return &typedStream{stream, method}, nil
}

// typedStream is a stream whose errors are an *Error, except the io.EOF that ends it successfully.
type typedStream struct {
	grpc.ClientStream
	method string
}

func (s *typedStream) RecvMsg(message any) error { return s.typed(s.ClientStream.RecvMsg(message)) }

func (s *typedStream) SendMsg(message any) error { return s.typed(s.ClientStream.SendMsg(message)) }

func (s *typedStream) CloseSend() error { return s.typed(s.ClientStream.CloseSend()) }

func (s *typedStream) Header() (metadata.MD, error) {
	header, err := s.ClientStream.Header()
	return header, s.typed(err)
}

func (s *typedStream) typed(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return newError(err, !isReadOnly(s.method))
}
