package workflows

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/workflow"
)

// file is a workflow file: its contents, or what is wrong with it.
type file struct {
	File  string `json:"file"`
	Name  string `json:"name"`
	Valid bool   `json:"valid"`
	// Start has the inputs of a run and their defaults.
	Start rawjson.Object `json:"start"`
	// Faults are what is wrong, by line and column; Unlisted counts the faults that are not listed.
	Faults   []workflow.Fault `json:"faults"`
	Unlisted int              `json:"unlistedFaults,omitempty"`
	Nodes    []*workflow.Node `json:"nodes"`
}

// open reads a file of the folder. It follows no link out of the folder.
func (h *Handler) open(name string) ([]byte, error) {
	missing := problem(http.StatusNotFound, "not_found", "the folder has no workflow file of this name: %.200q", name)
	// Only listed files can be asked for, so an answer tells nothing about others.
	if !isWorkflow(name) || strings.ContainsAny(name, `/\`) {
		return nil, missing
	}
	// A root confines names and links: whoever may start runs may not read other files.
	root, err := os.OpenRoot(h.cfg.Folder)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	switch info, err := root.Stat(name); {
	case err != nil || !info.Mode().IsRegular(): // such as a link out of the folder
		return nil, missing
	// A large file is refused before it is read.
	case info.Size() > workflow.MaxFile:
		return nil, problem(http.StatusUnprocessableEntity, "too_large", "a workflow may have %d bytes, it has %d",
			workflow.MaxFile, info.Size())
	}
	return root.ReadFile(name)
}

func isWorkflow(name string) bool {
	// Exports of AACFlow have no suffix of their own.
	return strings.HasSuffix(name, ".workflow.yaml") || strings.HasSuffix(name, ".workflow.yml") ||
		strings.HasSuffix(name, ".json")
}

// check reads a file and checks it. The error is a problem, or lists the faults.
func (h *Handler) check(ctx context.Context, name string, input json.RawMessage) (*workflow.Graph, error) {
	data, err := h.open(name)
	if err != nil {
		return nil, err
	}
	return workflow.Check(ctx, name, data, workflow.CheckOptions{
		Registry: h.cfg.Registry, Runtime: h.cfg.Runtime, Variables: h.cfg.Variables, Input: input,
	})
}

// describe reads a file, also one with faults.
func (h *Handler) describe(ctx context.Context, name string) (*file, error) {
	// A file with faults may have no name, so it is listed by its file name.
	f := &file{File: name, Name: name, Faults: []workflow.Fault{}, Nodes: []*workflow.Node{}}
	g, err := h.check(ctx, name, nil)
	var faults *workflow.FileError
	if errors.As(err, &faults) {
		f.Faults, f.Unlisted = faults.Faults, faults.Unlisted
		return f, nil
	} else if err != nil {
		return nil, err
	}
	f.Name, f.Valid, f.Start, f.Nodes = g.Name, true, g.Start, g.Nodes
	return f, nil
}

// list answers with the files in the order of their names, without their nodes.
func (h *Handler) list(w http.ResponseWriter, r *http.Request) error {
	entries, err := os.ReadDir(h.cfg.Folder)
	if err != nil {
		return err
	}
	type entry struct {
		File   string `json:"file"`
		Name   string `json:"name"`
		Valid  bool   `json:"valid"`
		Nodes  int    `json:"nodes"`
		Faults int    `json:"faults"`
	}
	files, unlisted := []entry{}, 0
	for _, e := range entries {
		if !isWorkflow(e.Name()) || e.IsDir() {
			continue
		}
		// Each file is read and checked at every request, so their number is bounded.
		if len(files) == mostFiles {
			unlisted++
			continue
		}
		f, err := h.describe(r.Context(), e.Name())
		if err != nil { // the file cannot be read, or has been removed
			f = &file{File: e.Name(), Name: e.Name(), Faults: []workflow.Fault{{Message: err.Error()}}}
		}
		files = append(files, entry{f.File, f.Name, f.Valid, len(f.Nodes), len(f.Faults) + f.Unlisted})
	}
	return answer(w, http.StatusOK, struct {
		Workflows []entry `json:"workflows"`
		Unlisted  int     `json:"unlisted,omitempty"`
	}{files, unlisted})
}

func (h *Handler) file(w http.ResponseWriter, r *http.Request) error {
	f, err := h.describe(r.Context(), r.PathValue("file"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, f)
}

// order is the body of a request to begin a run.
type order struct {
	Input json.RawMessage `json:"input"`
	// Run is the id of the run. A run with an id has a journal, and continues if it has begun
	// before.
	Run             string `json:"run"`
	Source          string `json:"source"`
	DryRun          bool   `json:"dryRun"`
	AllowDuplicates bool   `json:"allowDuplicates"`
}

// orderOf reads a body. An empty body counts as an empty object.
func (h *Handler) orderOf(w http.ResponseWriter, r *http.Request) (o order, source *Source, err error) {
	raw, faulty := guard.ReadJSON(w, r, guard.DefaultMaxBody)
	if faulty != nil {
		return o, nil, faulty
	}
	invalid := func(format string, args ...any) error {
		return problem(http.StatusBadRequest, "invalid_request", format, args...)
	}
	if len(raw) > 0 {
		// encoding/json would take the last of two members with the same name.
		members, err := rawjson.ParseObject(raw, rawjson.Limits{})
		if err != nil {
			return o, nil, invalid("the body %s", err)
		}
		decoder := json.NewDecoder(strings.NewReader(string(members.JSON())))
		// With a misspelt dryRun, the run would send everything.
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&o); err != nil {
			return o, nil, invalid(
				"the body must have no members but input, run, source, dryRun and allowDuplicates: %s", err)
		}
	}
	for i, s := range h.cfg.Sources {
		if s.Name == cmp.Or(o.Source, h.cfg.Sources[0].Name) {
			source = &h.cfg.Sources[i]
		}
	}
	switch {
	case source == nil:
		return o, nil, problem(http.StatusUnprocessableEntity, "unknown_source", "no source has this name: %.100q",
			o.Source)
	case o.Run != "" && o.DryRun:
		return o, nil, invalid("a dry run cannot be resumed: leave out run")
	case o.Run != "" && !workflow.ValidRunID(o.Run):
		return o, nil, invalid("run must be %s: %.100q", workflow.RunIDForm, o.Run)
	}
	return o, source, nil
}

// answer writes a document that caches must not store.
func answer(w http.ResponseWriter, status int, doc any) error {
	raw, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(raw, '\n')) // a client that has left misses the answer
	return nil
}

// stamp returns the time now, as answers have it.
func stamp() time.Time { return stampOf(time.Now()) }

// stampOf returns a time in UTC, in whole milliseconds.
func stampOf(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
