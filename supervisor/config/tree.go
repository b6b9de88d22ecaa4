package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// source is where values come from.
type source struct {
	name  string
	rank  int      // the order in which faults are shown
	lines []string // of a file, as they may be shown; nil for the others
}

// The ranks of sources.
const (
	rankFile = iota
	rankEnvironment
	rankFlags
)

// place is where a value was written.
type place struct {
	source       *source
	line, column int // 0 when the source is no file
}

// node is a value as it was written, in the file or anywhere else. The file's
// values become a tree of nodes, those of the environment and the flags are put
// into it, and one decoder makes a Config of the result.
type node struct {
	place
	kind    kind
	text    string  // of a scalar
	items   []*node // of a list
	entries []entry // of a mapping
}

// scalars are n's items, or n itself, that are scalars.
func (n *node) scalars() []*node {
	var out []*node
	for _, item := range append(slices.Clone(n.items), n) {
		if item.kind == scalar {
			out = append(out, item)
		}
	}
	return out
}

// kind is what a node is. The zero kind is a value left out: `key:` with nothing
// behind it means what no such line means.
type kind uint8

const (
	absent kind = iota
	scalar
	list
	mapping
)

func (k kind) String() string {
	switch k {
	case absent:
		return "nothing"
	case scalar:
		return "a single value"
	case list:
		return "a list"
	case mapping:
		return "a mapping"
	}
	return "invalid"
}

// entry is one line of a mapping.
type entry struct {
	key   *node
	value *node
}

// keyed reports whether n can have keys. Of what cannot, none is missing.
func (n *node) keyed() bool { return n.kind == mapping || n.kind == absent }

// child returns the value that mapping n has for key, and whether it has one.
func (n *node) child(key string) (*node, bool) {
	for _, e := range n.entries {
		if e.key.text == key && e.value.kind != absent {
			return e.value, true
		}
	}
	return nil, false
}

// at returns the place of the value that n has for key, or else that of n.
func (n *node) at(key string) place {
	if c, ok := n.child(key); ok {
		return c.place
	}
	return n.place
}

// put gives mapping n the value v for key, in the place of any that it has.
func (n *node) put(key string, v *node) {
	n.entries = slices.DeleteFunc(slices.Clone(n.entries), func(e entry) bool { return e.key.text == key })
	n.entries = append(n.entries, entry{&node{place: v.place, kind: scalar, text: key}, v})
}

// parse reads YAML into a tree. A document of nothing but comments is a node
// that is absent. Its errors are *Error.
func parse(s *source, text []byte) (root *node, err error) {
	defer func() {
		// The parser is not ours, and a node that runs must not end because of
		// what a file has in it.
		if p := recover(); p != nil {
			err = fault(place{s, 1, 1}, fmt.Sprintf("not YAML: the parser gave up (%v)", p), "")
		}
	}()
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxError(s, err)
	}
	var docs []*ast.DocumentNode
	for _, d := range file.Docs {
		if d.Body != nil && d.Body.Type() != ast.CommentType {
			docs = append(docs, d)
		}
	}
	switch len(docs) {
	case 0:
		return &node{place: place{s, 1, 1}}, nil
	case 1:
		t := tree{source: s, anchors: make(map[string]*node)}
		return t.node(docs[0].Body)
	}
	return nil, fault(s.place(docs[1].Body.GetToken()), "a second YAML document begins here", "keep one, without a --- between its parts")
}

func syntaxError(s *source, err error) error {
	var y yaml.Error
	if !errors.As(err, &y) || y.GetToken() == nil {
		return fault(place{s, 1, 1}, "not YAML: "+strings.Join(strings.Fields(err.Error()), " "), "")
	}
	message := strings.Join(strings.Fields(y.GetMessage()), " ")
	return fault(s.place(y.GetToken()), "not YAML: "+message, syntaxCure(message))
}

// syntaxCure returns what most often helps where the parser says message.
func syntaxCure(message string) string {
	switch {
	case strings.Contains(message, "cannot start any token"):
		return "indent with spaces, never with tabs; put a value that begins with such a character in quotes"
	case strings.Contains(message, "mapping value is not allowed"):
		return "check the indentation of this line and the next; a value with a colon and a blank in it needs quotes"
	case strings.Contains(message, "not found"):
		return "close what is opened here"
	}
	return "check the indentation and the punctuation here and on the line before"
}

// place returns where t is, kept within the file whatever the parser says.
func (s *source) place(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{s, 1, 1}
	}
	line := min(max(t.Position.Line, 1), max(len(s.lines), 1))
	return place{s, line, max(t.Position.Column, 1)}
}

// tree turns the parser's nodes into ours.
type tree struct {
	source  *source
	anchors map[string]*node
}

func (t tree) node(n ast.Node) (*node, error) {
	if n == nil {
		return &node{place: place{t.source, 1, 1}}, nil
	}
	out := &node{place: t.source.place(n.GetToken()), kind: scalar}
	switch n := n.(type) {
	case *ast.NullNode:
		out.kind = absent
	case *ast.StringNode:
		out.text = n.Value
	case *ast.LiteralNode:
		out.text = strings.TrimRight(n.Value.Value, "\n")
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		out.text = n.GetToken().Value
	case *ast.SequenceNode:
		return t.list(out, n)
	case *ast.MappingNode:
		return t.mapping(out, n.Values)
	case *ast.MappingValueNode:
		return t.mapping(out, []*ast.MappingValueNode{n})
	case *ast.AnchorNode:
		v, err := t.node(n.Value)
		if err != nil {
			return nil, err
		}
		t.anchors[n.Name.GetToken().Value] = v
		return v, nil
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		v, ok := t.anchors[name]
		if !ok {
			return nil, fault(out.place, fmt.Sprintf("nothing above is called &%s", name), "define it before it is used, or write the value here")
		}
		return v, nil
	case *ast.TagNode:
		return nil, fault(out.place, fmt.Sprintf("tag %s has no meaning here", show(n.GetToken().Value)), "leave the tag out")
	default:
		return nil, fault(out.place, "not a value that ngha reads", "write a plain value, a list or a mapping")
	}
	return out, nil
}

func (t tree) list(out *node, n *ast.SequenceNode) (*node, error) {
	out.kind = list
	for _, v := range n.Values {
		item, err := t.node(v)
		if err != nil {
			return nil, err
		}
		out.items = append(out.items, item)
	}
	return out, nil
}

func (t tree) mapping(out *node, values []*ast.MappingValueNode) (*node, error) {
	out.kind = mapping
	var merged *node
	for i, v := range values {
		at := t.source.place(v.Key.GetToken())
		if i == 0 {
			out.place = at
		}
		value, err := t.node(v.Value)
		if err != nil {
			return nil, err
		}
		switch key := v.Key.(type) {
		case *ast.MergeKeyNode:
			if value.kind != mapping || merged != nil {
				return nil, fault(at, "<< takes one mapping, once", "write << with the alias of one mapping")
			}
			merged = value
			continue
		case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
			out.entries = append(out.entries, entry{&node{place: at, kind: scalar, text: key.GetToken().Value}, value})
		default:
			return nil, fault(at, "not a plain key", "write `key: value`")
		}
	}
	if merged != nil {
		for _, e := range merged.entries {
			if !slices.ContainsFunc(out.entries, func(o entry) bool { return o.key.text == e.key.text }) {
				out.entries = append(out.entries, e)
			}
		}
	}
	return out, nil
}

// fault returns an Error for p.
func fault(p place, what, cure string) *Error {
	e := &Error{Source: p.source.name, Line: p.line, Column: p.column, Fault: what, Cure: cure, rank: p.source.rank}
	if 0 < p.line && p.line <= len(p.source.lines) {
		e.Text = p.source.lines[p.line-1]
	}
	return e
}
