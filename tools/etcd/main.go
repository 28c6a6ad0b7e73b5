// Command etcd is the server of etcd as upstream builds it. Upstream keeps its main package in a module that
// cannot be required by version (it replaces its siblings by path), so this module supplies the main package.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
