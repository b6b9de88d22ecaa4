package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ngha/supervisor/config"
)

// flags are the flags of a command that the configuration knows, as they were
// given.
type flags []config.Flag

// add gives cmd the flags called names, or all there are.
func (f *flags) add(cmd *cobra.Command, names ...string) {
	set := cmd.Flags()
	set.SortFlags = false
	for _, s := range config.Settings() {
		if s.Flag == "" || s.Quiet || len(names) > 0 && !slices.Contains(names, s.Flag) {
			continue
		}
		v := value{name: s.Flag, arg: s.Arg, to: f}
		help := s.Help
		if s.Many {
			help += " (repeat it, or write commas)"
		}
		set.Var(v, s.Flag, help)
		set.Lookup(s.Flag).DefValue = s.Default
	}
}

// sources are what the configuration is made of, but for a command of nginx's.
func (f *flags) sources() config.Sources {
	return config.Sources{Flags: *f, Environ: os.Environ()}
}

// flagError returns err, of parsing cmd's flags, with the flag that was perhaps
// meant.
func flagError(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if name := config.Nearest(unknown.GetSpecifiedName(), known); name != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, name)
	}
	return err
}

// value notes down what a flag is given. Package config makes sense of it, since
// the environment and the file say the same things.
type value struct {
	name, arg string
	to        *flags
}

func (v value) Set(text string) error {
	*v.to = append(*v.to, config.Flag{Name: v.name, Value: text})
	return nil
}

func (v value) String() string { return "" }

func (v value) Type() string { return v.arg }
