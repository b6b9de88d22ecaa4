package nginxctl

import (
	"slices"
	"strings"
)

// A role is what a file is to the configuration.
type role uint8

const (
	roleConfiguration role = iota + 1 // read as configuration text
	roleContent                       // read when the configuration is loaded, as it is: a certificate
	roleProgram                       // code, with ways to other code that we do not follow: a module
)

// A reference is a word of a directive that names a file.
type reference struct {
	word int     // its place among the directive's words
	path string  // absolute, but for refScript
	kind refKind // what is named
}

// A refKind says what a word names.
type refKind uint8

const (
	refInclude   refKind = iota + 1 // configuration text, or a pattern for it
	refContent                      // roleContent
	refProgram                      // roleProgram
	refScript                       // JavaScript: a name that is looked for in several folders
	refScriptDir                    // one of these folders
	refPerl                         // the same for Perl
	refPerlDir
	refLater // read for each request: no part of the configuration
)

// A base is where a relative name begins.
type base uint8

const (
	baseConf   base = iota + 1 // the main configuration file's folder
	basePrefix                 // nginx's prefix
	baseWork                   // the folder in which nginx was started
)

// A fileRule says which argument of a directive names a file, and how.
type fileRule struct {
	argument int // -1: the last one
	base     base
	kind     refKind
}

// sslFiles name files in every module that speaks TLS, with the module's name
// before them: proxy_ssl_certificate.
var sslFiles = []string{
	"ssl_certificate", "ssl_certificate_key", "ssl_client_certificate",
	"ssl_trusted_certificate", "ssl_crl", "ssl_dhparam", "ssl_password_file",
	"ssl_session_ticket_key", "ssl_stapling_file", "ssl_ech_file",
}

var sslModules = []string{"", "proxy_", "grpc_", "uwsgi_", "lua_", "zone_sync_"}

// sslCommands are those of ssl_conf_command whose value is a file.
var sslCommands = []string{
	"Certificate", "PrivateKey", "ServerInfoFile", "ChainCAFile",
	"VerifyCAFile", "RequestCAFile", "ClientCAFile", "DHParameters",
}

var fileRules = map[string]fileRule{
	"load_module":                  {1, basePrefix, refProgram},
	"js_load_http_native_module":   {1, basePrefix, refProgram},
	"js_load_stream_native_module": {1, basePrefix, refProgram},

	"js_import":                    {-1, baseConf, refScript},
	"js_include":                   {-1, baseConf, refScript},
	"js_path":                      {1, baseConf, refScriptDir},
	"js_preload_object":            {-1, baseConf, refContent},
	"js_fetch_trusted_certificate": {1, baseConf, refContent},

	"perl_modules": {1, basePrefix, refPerlDir},
	"perl_require": {1, basePrefix, refPerl},

	"geoip_country": {1, baseWork, refContent},
	"geoip_city":    {1, baseWork, refContent},
	"geoip_org":     {1, baseWork, refContent},
	"geoip2":        {1, baseWork, refContent},

	"xml_entities":    {1, baseWork, refProgram},
	"xslt_stylesheet": {1, basePrefix, refProgram}, // may import others

	"auth_jwt_key_file":      {1, baseConf, refContent},
	"quic_host_key":          {1, baseConf, refContent},
	"modsecurity_rules_file": {1, baseWork, refProgram}, // may include others

	"set_by_lua_file": {2, basePrefix, refProgram}, // the others: see ruleFor

	"auth_basic_user_file": {1, baseConf, refLater},
}

// ruleFor finds the rule for a directive.
func ruleFor(words []string) (fileRule, bool) {
	name := words[0]
	if r, ok := fileRules[name]; ok {
		return r, true
	}
	if strings.HasSuffix(name, "_by_lua_file") {
		return fileRule{1, basePrefix, refProgram}, true
	}
	for _, module := range sslModules {
		rest, ok := strings.CutPrefix(name, module)
		switch {
		case !ok:
		case slices.Contains(sslFiles, rest):
			return fileRule{1, baseConf, refContent}, true
		case rest == "ssl_conf_command" && len(words) == 3 && slices.Contains(sslCommands, words[1]):
			return fileRule{2, baseConf, refContent}, true
		}
	}
	return fileRule{}, false
}

// bases are the folders where relative names begin.
type bases struct {
	Conf   string // of the main configuration file
	Prefix string
	Work   string
}

// absolute puts a name's folder before it as nginx does: `..` stays, since what
// it leads to depends on symbolic links.
func (b bases) absolute(from base, name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	switch from {
	case baseConf:
		return b.Conf + "/" + name
	case basePrefix:
		return b.Prefix + "/" + name
	}
	return b.Work + "/" + name
}

// reference finds the file that a statement names, if there is one. Values that
// are made for each request name none.
func (b bases) reference(s statement) (reference, bool) {
	words := s.texts()
	if words[0] == "include" && len(words) == 2 {
		return reference{1, b.absolute(baseConf, words[1]), refInclude}, true
	}
	rule, ok := ruleFor(words)
	if !ok || s.data {
		return reference{}, false
	}
	if rule.argument < 0 {
		rule.argument = len(words) - 1
	}
	if rule.argument < 1 || rule.argument >= len(words) {
		return reference{}, false
	}
	name := words[rule.argument]
	for _, special := range []string{"$", "data:", "engine:", "store:"} {
		if strings.HasPrefix(name, special) {
			return reference{}, false
		}
	}
	if strings.Contains(name, "$") {
		rule.kind = refLater
	}
	path := b.absolute(rule.base, name)
	if rule.kind == refScript || rule.kind == refPerl {
		path = name
	}
	if rule.kind == refLater && rule.base != baseConf {
		return reference{}, false
	}
	return reference{rule.argument, path, rule.kind}, true
}
