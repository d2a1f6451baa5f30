package workflows

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/workflow"
)

// journaled is the journal of a run: of this process, an earlier one, or the command workflow run.
type journaled struct {
	file, run string
	fs.FileInfo
}

// journals returns the folder with the journals of a file's runs.
func (h *Handler) journals(file string) string { return filepath.Join(h.cfg.Folder, file+".runs") }

// journaled lists the journals beside the files, the ones that changed last first.
func (h *Handler) journaled() (list []journaled) {
	folders, _ := os.ReadDir(h.cfg.Folder) // without it there are no journals
	for _, folder := range folders {
		// The command workflow run uses the same names.
		file, is := strings.CutSuffix(folder.Name(), ".runs")
		if !is || !isWorkflow(file) || !folder.IsDir() {
			continue
		}
		entries, _ := os.ReadDir(h.journals(file))
		for _, e := range entries {
			run, is := strings.CutSuffix(e.Name(), ".db")
			if info, err := e.Info(); is && err == nil && info.Mode().IsRegular() {
				list = append(list, journaled{file, run, info})
			}
		}
	}
	// People look for what changed last. Only as many as can be listed are opened.
	slices.SortFunc(list, func(a, b journaled) int { return b.ModTime().Compare(a.ModTime()) })
	return list
}

// remember returns a run as its journal has it. It reads the nodes only if asked to, because that
// takes longer the larger the run is. Meanwhile the journal is in use, so an attempt to resume the
// run is refused.
func (h *Handler) remember(ctx context.Context, from journaled, nodes bool) (*run, error) {
	r := newRun(&workflow.Graph{Name: from.file}, from.file, "", order{Run: from.run}, from.ModTime())
	journal, err := workflow.OpenJournal(h.journals(from.file), from.run, workflow.JournalOptions{ReadOnly: true})
	switch {
	case errors.Is(err, workflow.ErrRunInUse): // nobody else can read the journal of a running process
		r.Error = err.Error()
		return r, nil
	case errors.Is(err, workflow.ErrNoRun):
		return nil, problem(http.StatusNotFound, "not_found", "%s", err)
	}
	r.cancel = func() {} // as it has ended
	if err != nil {      // the run is shown, or nobody would notice
		r.end(workflow.Canceled, err)
		r.EndedAt = r.StartedAt
		return r, nil
	}
	defer func() { _ = journal.Close() }()
	was := journal.Summary()
	r.Name, r.StartedAt = was.Name, stampOf(was.Began)
	for _, s := range h.cfg.Sources {
		if s.Target == was.Target {
			r.Source = s.Name
		}
	}
	switch {
	case nodes && from.Size() > mostJournal:
		err = fmt.Errorf("the journal has too much to show what became of the nodes: %d bytes, of at most %d",
			from.Size(), mostJournal)
	case nodes:
		err = h.replay(ctx, r, journal)
	}
	// The run has ended, so that a stream ends after its events.
	r.end(was.Status, err)
	r.EndedAt = stampOf(was.Ended)
	for _, s := range r.nodes {
		if !s.EndedAt.IsZero() { // a journal does not record when a node ended
			s.EndedAt = r.EndedAt
		}
	}
	return r, nil
}

// replay shows a run the events in its journal. The error says why they cannot be shown.
func (h *Handler) replay(ctx context.Context, r *run, journal *workflow.Journal) error {
	data, err := h.open(r.File)
	if err != nil {
		return err
	}
	g, err := workflow.Parse(r.File, data) //nolint:contextcheck // it only reads the file
	if err != nil {
		return err
	}
	// The file is not checked against the blocks: what the journal has is shown even if they have
	// changed.
	r.graph = g
	r.expect(g)
	_, err = workflow.Run(ctx, g, journal.Input(), workflow.Options{RunID: r.Run, Journal: journal, Observe: r.see})
	return err
}

// earlier returns the latest runs from journals, except those that are known already.
func (h *Handler) earlier(ctx context.Context, known map[string]bool) (runs []*run) {
	for _, from := range h.journaled() {
		if len(runs) == MostRuns || ctx.Err() != nil {
			break
		}
		if known[from.run] {
			continue
		}
		if r, err := h.remember(ctx, from, false); err == nil { // otherwise no run has begun
			known[from.run] = true // if two files have runs with this id, the one that changed last counts
			runs = append(runs, r)
		}
	}
	return runs
}
