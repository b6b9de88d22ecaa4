package nginxctl

import (
	crossplane "github.com/nginxinc/nginx-go-crossplane"
)

func luaLexer() crossplane.RegisterLexer {
	return (&crossplane.Lua{}).RegisterLexer()
}
