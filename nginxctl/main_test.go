package nginxctl

import (
	"os"
	"testing"

	"ngha/nginxctl/nginxtest"
)

func TestMain(m *testing.M) {
	nginxtest.Main()
	os.Exit(m.Run())
}
