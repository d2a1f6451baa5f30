package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// blockInput is the input of a command that is given a block: run, preview or validate. It comes
// from --input, from flags that are made of the block's parameters, or from a pipe.
type blockInput struct {
	*cobra.Command
	value string // of --input
	// block is the one whose parameters are flags, "" while the command line names none.
	block      string
	parameters []*parameter
}

// blockCommand returns a command whose argument is the id of a block, and whose flags give the
// block's input. Shells complete both.
func (p *Program) blockCommand(use, short string) *blockInput {
	in := &blockInput{Command: command(use+" BLOCK [--PARAMETER VALUE…|--input JSON]", short, oneBlock)}
	in.ValidArgsFunction = p.completeBlock
	in.Flags().StringVarP(&in.value, "input", "i", "", "the block's input as `json`: text, @FILE, or @- for stdin")
	_ = in.MarkFlagFilename("input", "json")
	p.inputs[in.Command] = in
	return in
}

// addParameters gives the command that is about to run the flags of the block that it is given.
// They have to be there before the command line is parsed, so this looks for the first argument
// that is the id of a block. What it does not find, parsing reports.
func (p *Program) addParameters(root *cobra.Command) {
	args := p.Args
	for len(args) > 0 && (strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) || args[0] == "help") {
		args = args[1:]
	}
	cmd, rest, _ := root.Find(args)
	in := p.inputs[cmd]
	if in == nil {
		return
	}
	// The arguments include the values of flags, but such a value is hardly ever the id of a block.
	for _, arg := range rest {
		if b, err := p.registry().Find(arg); err == nil {
			in.describe(arg, b.Manifest().Input.Fields())
			return
		}
	}
}

// describe adds the flags. A secret has none, because other users of the machine can see command
// lines, and neither has a parameter whose flag would hide one of the command's own. They are
// persistent flags only because help shows those apart from the others.
func (in *blockInput) describe(block string, fields []schemas.Field) {
	in.block = block
	for _, field := range fields {
		name := kebab(field.Name)
		if field.Secret || name == "help" || in.Flag(name) != nil {
			continue
		}
		// The first sentence will do, and a word in back quotes would be taken for the kind of
		// value.
		says, _, _ := strings.Cut(strings.ReplaceAll(field.Description, "`", "'"), ". ")
		p := &parameter{flag: name, field: field}
		flag := in.PersistentFlags().VarPF(p, name, "", strings.TrimSuffix(says, "."))
		if p.is(rawjson.BooleanKind) {
			flag.NoOptDefVal = "true"
		}
		in.parameters = append(in.parameters, p)
	}
}

// kebab turns the name of a parameter into that of its flag: userId into user-id, apiURL into
// api-url.
func kebab(name string) string {
	name = regexp.MustCompile(`([\p{Ll}\d])(\p{Lu})`).ReplaceAllString(name, "$1-$2")
	return strings.ToLower(strings.ReplaceAll(name, "_", "-"))
}

// read returns the input for a block, which it refuses if there is none of this id.
func (in *blockInput) read(p *Program, block string) (input, error) {
	if _, err := p.find(block); err != nil {
		return input{}, err
	}
	read := input{flags: map[string]string{}}
	var object rawjson.Object
	for _, one := range in.parameters {
		if one.value != nil {
			object = object.Set(one.field.Name, one.value)
			read.flags[one.field.Name] = one.flag
		}
	}
	// Whoever gives an input twice means one of them, and there is no telling which.
	switch asked := in.Flags().Changed("input"); {
	case object == nil && asked:
		return p.readInput(in.Context(), in.value)
	case asked:
		return input{}, console.Usage("--input is the whole input and --%s is part of one: give one or the other",
			read.flags[object[0].Name])
	case object != nil && in.block != block:
		return input{}, console.Usage("put the block's id before its flags: %s %s --%s …", in.CommandPath(), block,
			read.flags[object[0].Name])
	case object != nil:
		read.json = []byte(object.JSON())
		return read, nil
	case isPiped(p.Stdin):
		read, err := p.readStdin(in.Context())
		if err != nil || len(strings.TrimSpace(string(read.json))) > 0 {
			return read, err
		}
	}
	return input{}, console.Usage("the block's input is missing: give its parameters as flags, or JSON to --input "+
		"or on stdin; %s %s --help shows how", in.CommandPath(), block)
}

// isPiped reports whether stdin is a file or the end of a pipe, and so has an input. A terminal and
// /dev/null have none.
func isPiped(stdin any) bool {
	f, ok := stdin.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	// Other devices might never end.
	return err == nil && (info.Mode().IsRegular() || info.Mode()&os.ModeNamedPipe != 0)
}

// A parameter of a block as a flag. What it takes depends on the types that the schema admits.
type parameter struct {
	flag  string
	field schemas.Field
	value []byte // JSON, nil while it is not given
	// pairs are the members of an object that were given one by one.
	pairs rawjson.Object
}

func (p *parameter) is(kind rawjson.Kind) bool { return slices.Contains(p.field.Kinds, kind) }

// String returns "": no parameter has a default that help could show.
func (p *parameter) String() string { return "" }

// Type names the kind of value in help.
func (p *parameter) Type() string {
	switch {
	case p.is(rawjson.ObjectKind):
		return "name=value"
	case p.is(rawjson.ArrayKind) || len(p.field.Kinds) == 0:
		return "json"
	case p.field.Format == "date-time":
		return "time"
	case p.is(rawjson.BooleanKind):
		return "bool" // help then shows that it may stand without a value
	}
	return string(p.field.Kinds[0])
}

// Set takes a value: a text as it is, and JSON for what is no text. An object may be given member
// by member.
func (p *parameter) Set(value string) error {
	value = strings.TrimSpace(value)
	file, isFile := strings.CutPrefix(value, "@")
	switch {
	case p.is(rawjson.ObjectKind) && !isFile && rawjson.KindOf([]byte(value)) != rawjson.ObjectKind:
		return p.setMember(value)
	case p.value != nil:
		return fmt.Errorf("must be given once: %q", value)
	case p.is(rawjson.StringKind): // also what looks like JSON, so that an id of digits needs no quotes
		p.value = rawjson.Quote(value)
		return nil
	case len(p.field.Kinds) == 0 && !isFile:
		var err error
		p.value, err = jsonOrText(value)
		return err
	case isFile:
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("must name a file that can be read: %w", err)
		}
		return p.setJSON(withoutMark(data), " in the file "+file)
	}
	return p.setJSON([]byte(value), "")
}

// setJSON takes JSON. Its type is checked here already, where the flag can be named.
func (p *parameter) setJSON(data []byte, where string) error {
	if err := rawjson.Check(data, rawjson.Limits{}); err != nil {
		return fmt.Errorf("%w%s", err, where)
	}
	if kind := rawjson.KindOf(data); len(p.field.Kinds) > 0 && !p.is(kind) {
		return fmt.Errorf("must be JSON of type %s, not %s%s", text.Or(p.field.Kinds...), kind, where)
	}
	p.value = data
	return nil
}

// setMember takes a member of an object as NAME=VALUE. A dot is part of the name, since names with
// dots are common in properties; what is nested is given as JSON. A value that is JSON is taken as
// such, with every digit of a number, and any other is a text.
func (p *parameter) setMember(pair string) error {
	name, value, isPair := strings.Cut(pair, "=")
	_, twice := p.pairs.Get(name)
	switch {
	case !isPair || name == "":
		return fmt.Errorf("must be NAME=VALUE, a JSON object or @FILE: %q", pair)
	case twice:
		return fmt.Errorf("must name a member once: %q", name)
	case p.value != nil && p.pairs == nil:
		return fmt.Errorf("must be a whole object or NAME=VALUE, not both: %q", pair)
	}
	member, err := jsonOrText(value)
	if err != nil {
		return fmt.Errorf("%w, in the value of %q", err, name)
	}
	p.pairs = p.pairs.Set(name, member)
	p.value = p.pairs.JSON()
	return nil
}

// jsonOrText returns a value that is JSON as it is, and any other as a text. A value that begins as
// an object or a list and is not valid JSON is a mistake.
func jsonOrText(value string) (json.RawMessage, error) {
	err := rawjson.Check([]byte(value), rawjson.Limits{})
	switch {
	case err == nil:
		return json.RawMessage(value), nil
	case strings.HasPrefix(value, "{") || strings.HasPrefix(value, "["):
		return nil, err
	}
	return rawjson.Quote(value), nil
}

// input is what a block is to be invoked with: bytes that nothing here decodes, so that they arrive
// as they were written, with every digit of a number.
type input struct {
	json runtime.JSON
	file string // where it came from; "" for the command line
	// flags are those that the members came from, by the names of the members.
	flags map[string]string
}

// readInput reads what --input names.
func (p *Program) readInput(ctx context.Context, value string) (input, error) {
	name, isFile := strings.CutPrefix(value, "@") // as curl and httpie name files
	switch {
	case !isFile:
		return inline(value)
	case name == "":
		return input{}, console.Usage("--input @ must name a file, or be @- for stdin")
	case name == "-":
		return p.readStdin(ctx)
	}
	f, err := os.Open(name)
	if err != nil {
		return input{}, console.Usage("cannot read the input: %w", err)
	}
	defer func() { _ = f.Close() }()
	return readAll(f, name)
}

// inline takes the JSON off the command line, and tells whoever forgot the @.
func inline(value string) (input, error) {
	if value == "-" {
		return input{}, console.Usage("--input - is not JSON; did you mean @-, which reads stdin?")
	}
	// A value without a bracket and a quote is no input. It is probably the name of a file.
	if !strings.ContainsAny(value, "{}[]\"") {
		if _, err := os.Stat(value); err == nil {
			return input{}, console.Usage("--input %[1]s is not JSON; did you mean @%[1]s, to read the file?", value)
		}
	}
	return input{json: withoutMark([]byte(value))}, nil
}

// readStdin can be interrupted, which a plain read cannot. The goroutine that reads may be left
// behind; the process ends then.
func (p *Program) readStdin(ctx context.Context) (input, error) {
	slow := time.After(2 * time.Second) // a pipe that nobody closes looks like a command that hangs
	if console.IsTerminal(p.Stdin) {
		p.Note("reading the input from the terminal; end with Ctrl-D on a line of its own")
		slow = nil
	}
	type result struct {
		in  input
		err error
	}
	read := make(chan result, 1) // buffered, so that the goroutine can end after nobody waits for it
	go func() {
		in, err := readAll(p.Stdin, "stdin")
		read <- result{in, err}
	}()
	for {
		select {
		case r := <-read:
			return r.in, r.err
		case <-slow:
			p.Note("waiting for the input on stdin, until it ends")
		case <-ctx.Done():
			return input{}, console.Interrupted("reading the input")
		}
	}
}

// readAll reads an input, and says what it is if Windows wrote it in another encoding.
func readAll(r io.Reader, name string) (input, error) {
	// One byte more than the runtime takes, so that it is the runtime that says so.
	data, err := io.ReadAll(io.LimitReader(r, int64(rawjson.Limits{}.WithDefaults().MaxBytes)+1))
	if err != nil {
		return input{}, console.Usage("cannot read the input from %s: %w", name, err)
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return input{}, console.Usage("the input is UTF-16, as some Windows programs write it, and must be UTF-8: %s",
			name)
	}
	return input{json: withoutMark(data), file: name}, nil
}

// withoutMark drops the byte order mark that some editors put in front of UTF-8.
func withoutMark(data []byte) runtime.JSON {
	return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
}

// place says which file an error is about, and where in it when it is no JSON: " in
// order.json:3:7". Editors understand the form. Other violations have a path.
func (in input) place(e *runtime.Error) string {
	if in.file == "" {
		return ""
	}
	where := " in " + text.Escape(in.file)
	var at *rawjson.Error
	syntax := []string{"invalid_json", "duplicate_key", "invalid_utf8"} // refused before it was read as JSON
	if len(e.Violations) != 1 || !slices.Contains(syntax, e.Violations[0].Code) ||
		!errors.As(rawjson.Check(in.json, rawjson.Limits{}), &at) {
		return where
	}
	before := in.json[:min(int(max(at.Offset, 0)), len(in.json))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Sprintf("%s:%d:%d", where, line, column)
}

// wrapInvocation keeps the input's origin, and the attempts, with the error of an invocation.
func wrapInvocation(err error, in input, attempts []runtime.Attempt) error {
	if e, ok := errors.AsType[*runtime.Error](err); ok {
		return &console.InputError{Cause: e, File: in.file, At: in.place(e), Flags: in.flags, Attempts: attempts}
	}
	return err
}

// writeKey returns the write key of an input, which replaces that of the source. What is wrong with
// the input is for the runtime to say, with its place.
func (in input) writeKey() tracking.WriteKey {
	obj, err := rawjson.ParseObject(in.json, rawjson.Limits{})
	if err != nil {
		return ""
	}
	return tracking.WriteKey(obj.Text("writeKey"))
}
