package nginxctl

import (
	"slices"
	"strings"
)

// A statement is one directive as it stands in a configuration file.
type statement struct {
	words []word
	data  bool // in a block whose names are values and no directives, but for include
}

// A word is a part of a statement: what nginx makes of it, and where it stands
// in the text, its quotes included.
type word struct {
	text       string
	start, end int
}

func (s statement) texts() []string {
	list := make([]string, len(s.words))
	for i, w := range s.words {
		list[i] = w.text
	}
	return list
}

// dataBlocks hold values. In a map, `ssl_certificate x;` is a key and what it
// stands for.
var dataBlocks = []string{"map", "geo", "types", "split_clients", "charset_map", "geoip2", "match"}

// scan calls f for each statement of a configuration file. It ends where nginx
// would refuse the text: files are also read while they are broken.
func scan(text string, f func(statement)) {
	l := confLexer{text: text}
	var data []bool // one for each open block
	for {
		words, end := l.statement()
		if len(words) > 0 {
			f(statement{words: words, data: len(data) > 0 && data[len(data)-1]})
		}
		switch end {
		case ';':
		case '{':
			if len(words) > 0 && slices.Contains(luaBlocks, words[0].text) {
				(&luaReader{s: &l}).skipBlock()
				continue
			}
			data = append(data, len(words) > 0 && slices.Contains(dataBlocks, words[0].text))
		case '}':
			if len(data) == 0 {
				return
			}
			data = data[:len(data)-1]
		default:
			return
		}
	}
}

// confLexer cuts a text into words exactly as nginx does (ngx_conf_read_token):
// the configuration package's lexer tells neither where a word stands nor what
// its escapes mean.
type confLexer struct {
	text string
	pos  int
}

// Scan and Text read single bytes, for what is written in another language.
func (l *confLexer) Scan() bool {
	if l.pos == len(l.text) {
		return false
	}
	l.pos++
	return true
}

func (l *confLexer) Text() string { return l.text[l.pos-1 : l.pos] }

// statement reads words up to `;`, `{` or `}`, which it returns. 0 stands for
// the end of the text or for what nginx refuses; such words are no statement.
func (l *confLexer) statement() (words []word, end byte) {
	for {
		l.skipSpace()
		if l.pos == len(l.text) {
			return nil, 0
		}
		switch c := l.text[l.pos]; c {
		case ';', '{':
			l.pos++
			if len(words) == 0 {
				return nil, 0
			}
			return words, c
		case '}':
			l.pos++
			if len(words) > 0 {
				return nil, 0
			}
			return nil, c
		case '"', '\'':
			w, ok := l.quoted(c)
			if !ok {
				return nil, 0
			}
			words = append(words, w)
		default:
			w, ok := l.plain()
			if !ok {
				return nil, 0
			}
			words = append(words, w)
		}
	}
}

const confSpace = " \t\r\n"

// skipSpace skips space and comments.
func (l *confLexer) skipSpace() {
	for l.pos < len(l.text) {
		switch c := l.text[l.pos]; {
		case strings.IndexByte(confSpace, c) >= 0:
			l.pos++
		case c == '#':
			n := strings.IndexByte(l.text[l.pos:], '\n')
			if n < 0 {
				n = len(l.text) - l.pos
			}
			l.pos += n
		default:
			return
		}
	}
}

// plain reads a word without quotes. A brace is part of it after a dollar.
func (l *confLexer) plain() (word, bool) {
	start, variable := l.pos, false
	for ; l.pos < len(l.text); l.pos++ {
		switch c := l.text[l.pos]; {
		case c == '\\':
			l.pos++
			variable = false
		case c == '{' && variable && l.pos > start:
			// It may be followed by another.
		case c == ';' || c == '{' || strings.IndexByte(confSpace, c) >= 0:
			return word{unescape(l.text[start:l.pos]), start, l.pos}, true
		default:
			variable = c == '$'
		}
	}
	l.pos = len(l.text)
	return word{}, false
}

// quoted reads a word in quotes, after which a space, a `;`, a `{` or a `)` must
// come.
func (l *confLexer) quoted(quote byte) (word, bool) {
	start := l.pos
	for l.pos++; l.pos < len(l.text); l.pos++ {
		switch l.text[l.pos] {
		case '\\':
			l.pos++
		case quote:
			l.pos++
			w := word{unescape(l.text[start+1 : l.pos-1]), start, l.pos}
			return w, l.pos < len(l.text) && strings.IndexByte(confSpace+";{)", l.text[l.pos]) >= 0
		}
	}
	l.pos = len(l.text)
	return word{}, false
}

var confEscapes = strings.NewReplacer(`\"`, `"`, `\'`, `'`, `\\`, `\`, `\t`, "\t", `\r`, "\r", `\n`, "\n")

func unescape(s string) string { return confEscapes.Replace(s) }

// quoteWord writes s so that nginx reads it as one word.
func quoteWord(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
