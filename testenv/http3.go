package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"
)

// Certificate is a certificate that vouches for itself and its private key, as
// PEM files.
type Certificate struct{ Cert, Key string }

// Certificate writes a certificate for the given IP addresses, which is valid
// for a day, and its key.
func (l *Lab) Certificate(addresses ...string) Certificate {
	l.t.Helper()
	cert, key, err := selfSigned(addresses)
	if err != nil {
		l.t.Fatalf("make a certificate: %v", err)
	}
	name := strings.NewReplacer(":", "-").Replace(strings.Join(addresses, "_"))
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return Certificate{
		Cert: l.write(name+".crt", encode("CERTIFICATE", cert)),
		Key:  l.write(name+".key", encode("PRIVATE KEY", key)),
	}
}

// selfSigned returns a certificate and its key in DER.
func selfSigned(addresses []string) (cert, key []byte, err error) {
	now := time.Now()
	template := x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, a := range addresses {
		addr, err := parseAddr(a)
		if err != nil {
			return nil, nil, err
		}
		template.IPAddresses = append(template.IPAddresses, net.IP(addr.AsSlice()))
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	cert, err = x509.CreateCertificate(rand.Reader, &template, &template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	key, err = x509.MarshalPKCS8PrivateKey(private)
	return cert, key, err
}

// HTTP3 returns the directives of a server block that answers HTTP/3, and
// HTTPS, on port 443 with c. nginx has it since 1.25, if built with
// --with-http_v3_module.
func (c Certificate) HTTP3() string {
	return fmt.Sprintf("listen 443 quic reuseport; listen 443 ssl; ssl_certificate %s; ssl_certificate_key %s;", c.Cert, c.Key)
}

// GetHTTP3 asks for an https URL by HTTP/3 and by nothing else, and returns the
// body of the answer. The server must have c. It needs a curl that speaks HTTP/3,
// as trixie's does, and skips the test where the host has none at all.
func (h *Host) GetHTTP3(url string, c Certificate) (string, error) {
	h.lab.t.Helper()
	curl := h.requireBinary("curl")
	out, err := h.Run(curl, "--http3-only", "--cacert", c.Cert, "--max-time", "5", "--fail", "--silent", "--show-error", url)
	if err != nil {
		return "", fmt.Errorf("get %s by HTTP/3: %w\n%s", url, err, out)
	}
	return out, nil
}
