package nginxctl

import (
	"strings"

	crossplane "github.com/nginxinc/nginx-go-crossplane"
)

// luaLexer skips the code in *_by_lua_block directives. crossplane's own lexer
// for them knows neither Lua's comments nor its escapes nor its long brackets,
// and loses the rest of the file over `-- don't`.
type luaLexer struct{}

var luaBlocks = []string{
	"init_by_lua_block", "init_worker_by_lua_block", "exit_worker_by_lua_block",
	"set_by_lua_block", "server_rewrite_by_lua_block", "rewrite_by_lua_block",
	"access_by_lua_block", "precontent_by_lua_block", "content_by_lua_block",
	"header_filter_by_lua_block", "body_filter_by_lua_block", "log_by_lua_block",
	"balancer_by_lua_block", "preread_by_lua_block", "proxy_ssl_verify_by_lua_block",
	"proxy_ssl_certificate_by_lua_block", "ssl_client_hello_by_lua_block",
	"ssl_certificate_by_lua_block", "ssl_session_fetch_by_lua_block",
	"ssl_session_store_by_lua_block",
}

func registerLua() crossplane.RegisterLexer {
	return crossplane.LexWithLexer(luaLexer{}, luaBlocks...)
}

// Lex makes a simple directive of the block: its words, without the code.
func (luaLexer) Lex(s *crossplane.SubScanner, _ string) <-chan crossplane.NgxToken {
	tokens := make(chan crossplane.NgxToken)
	go func() {
		defer close(tokens)
		r := luaReader{s: s}
		var head strings.Builder
		for c := r.next(); c != "{"; c = r.next() {
			if c == "" {
				return
			}
			head.WriteString(c)
		}
		line := s.Line()
		for word := range strings.FieldsSeq(head.String()) {
			tokens <- crossplane.NgxToken{Value: word, Line: line}
		}
		r.skipBlock()
		tokens <- crossplane.NgxToken{Value: ";", Line: s.Line()}
	}()
	return tokens
}

// luaReader reads one character at a time, and looks at one ahead.
type luaReader struct {
	s     characters
	ahead string
}

// characters are read one by one, as a bufio.Scanner has them.
type characters interface {
	Scan() bool
	Text() string
}

// next is "" at the end of the file.
func (r *luaReader) next() string {
	if c := r.ahead; c != "" {
		r.ahead = ""
		return c
	}
	if !r.s.Scan() {
		return ""
	}
	return r.s.Text()
}

func (r *luaReader) peek() string {
	if r.ahead == "" {
		r.ahead = r.next()
	}
	return r.ahead
}

// skipBlock reads to the brace that closes the one before it.
func (r *luaReader) skipBlock() {
	depth := 1
	for c := r.next(); c != ""; c = r.next() {
		switch c {
		case "{":
			depth++
		case "}":
			if depth--; depth == 0 {
				return
			}
		case `"`, `'`:
			r.skipString(c)
		case "-":
			if r.peek() == "-" {
				r.next()
				r.skipComment()
			}
		case "[":
			r.skipLong()
		}
	}
}

func (r *luaReader) skipString(end string) {
	for c := r.next(); c != "" && c != end; c = r.next() {
		if c == `\` {
			r.next()
		}
	}
}

func (r *luaReader) skipComment() {
	if r.peek() == "[" {
		r.next()
		if r.skipLong() {
			return
		}
	}
	for c := r.next(); c != "" && c != "\n"; c = r.next() {
	}
}

// skipLong reads a long bracket, [[...]] or [==[...]==], whose first character
// has been read. It reports whether it was one.
func (r *luaReader) skipLong() bool {
	level := 0
	for ; r.peek() == "="; level++ {
		r.next()
	}
	if r.peek() != "[" {
		return false
	}
	end := "]" + strings.Repeat("=", level) + "]"
	var last strings.Builder
	for c := r.next(); c != ""; c = r.next() {
		if c != "]" && c != "=" {
			last.Reset()
			continue
		}
		last.WriteString(c)
		if strings.HasSuffix(last.String(), end) {
			return true
		}
	}
	return true
}
