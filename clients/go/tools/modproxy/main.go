// The modproxy command lays a module out as a Go module proxy serves it, so that GOPROXY=file://FOLDER finds it.
//
//	modproxy MODULE_FOLDER VERSION PROXY_FOLDER
package main

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: modproxy MODULE_FOLDER VERSION PROXY_FOLDER")
	}
	if err := layOut(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal("modproxy: ", err)
	}
}

func layOut(folder, version, proxy string) error {
	goMod, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	if err != nil {
		return err
	}
	path := modfile.ModulePath(goMod)
	if err := module.Check(path, version); err != nil {
		return err
	}
	escaped, err := module.EscapePath(path)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := zip.CreateFromDir(&archive, module.Version{Path: path, Version: version}, folder); err != nil {
		return err
	}
	out := filepath.Join(proxy, filepath.FromSlash(escaped), "@v")
	write := func(name string, content []byte) error {
		return os.WriteFile(filepath.Join(out, name), content, 0o644)
	}
	return errors.Join(
		os.MkdirAll(out, 0o755),
		write(version+".zip", archive.Bytes()),
		write(version+".mod", goMod),
		write(version+".info", fmt.Appendf(nil, "{%q:%q}\n", "Version", version)),
		write("list", []byte(version+"\n")),
	)
}
