package vrrp_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allowedImports are the pure packages that the package may use.
var allowedImports = []string{
	"crypto/hmac", "crypto/sha256", "crypto/subtle", "encoding/binary", "errors", "fmt", "hash", "net/netip", "slices", "strings", "time",
}

// impure are the functions of allowed packages that look at the world.
var impure = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
	"fmt":  {"Print", "Println", "Printf", "Scan", "Scanln", "Scanf"},
}

func TestPackageIsPure(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	if len(names) == 0 {
		t.Fatal("no source files here")
	}
	files := token.NewFileSet()
	for _, name := range names {
		file, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range impurities(file) {
			t.Errorf("%s: %s", files.Position(f.pos), f.what)
		}
	}
}

// The test above must be able to fail.
func TestImpuritiesAreFound(t *testing.T) {
	const source = `package p
import ("os"; "time"; "fmt")
func init() {}
func f() { go f(); fmt.Println(time.Now(), os.Args); c := make(chan int); c <- 1; select {} }`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range impurities(file) {
		got = append(got, f.what)
	}
	want := []string{"imports os", "init", "go statement", "calls fmt.Println", "calls time.Now", "channel", "channel", "channel"}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

type finding struct {
	pos  token.Pos
	what string
}

func impurities(file *ast.File) []finding {
	var found []finding
	add := func(n ast.Node, what string) { found = append(found, finding{n.Pos(), what}) }
	for _, imp := range file.Imports {
		if path, _ := strconv.Unquote(imp.Path.Value); !slices.Contains(allowedImports, path) {
			add(imp, "imports "+path)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			add(n, "go statement")
		case *ast.ChanType, *ast.SendStmt, *ast.SelectStmt:
			add(n, "channel")
		case *ast.FuncDecl:
			if n.Name.Name == "init" {
				add(n, "init")
			}
		case *ast.SelectorExpr:
			if pkg, ok := n.X.(*ast.Ident); ok && slices.Contains(impure[pkg.Name], n.Sel.Name) {
				add(n, "calls "+pkg.Name+"."+n.Sel.Name)
			}
		}
		return true
	})
	return found
}
