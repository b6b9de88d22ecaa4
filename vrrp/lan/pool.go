package lan

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// pool has what is opened once for all Ports that use it, and closed when the
// last one gives it back.
type pool struct {
	mu     sync.Mutex
	shares map[key]*pooled
}

// key names a thing in a pool: what it is, and of which interface; 0: of none.
type key struct {
	what  string
	index int
}

type closer interface{ close() error }

type pooled struct {
	closer
	users int
}

// take returns what there is under k, or opens it. The lock is held meanwhile:
// else two would open it.
func take[T closer](p *pool, k key, open func() (T, error)) (T, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.shares[k]; s != nil {
		s.users++
		return s.closer.(T), nil
	}
	t, err := open()
	if err != nil {
		return t, err
	}
	if p.shares == nil {
		p.shares = make(map[key]*pooled)
	}
	p.shares[k] = &pooled{t, 1}
	return t, nil
}

// give gives back what take returned for each of the keys, the last one first:
// what was opened later may need what was opened before.
func (p *pool) give(keys ...key) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, k := range slices.Backward(keys) {
		s := p.shares[k]
		if s.users--; s.users > 0 {
			continue
		}
		delete(p.shares, k)
		if err := s.close(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", k.what, err))
		}
	}
	return errors.Join(errs...)
}
