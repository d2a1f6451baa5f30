package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// checkVerdict is the result of a check. A warning is what may lose events and does not have to;
// not checked is what doctor could not find out.
type checkVerdict string

const (
	verdictOK         checkVerdict = "ok"
	verdictWarning    checkVerdict = "warning"
	verdictFailed     checkVerdict = "failed"
	verdictNotChecked checkVerdict = "not checked"
)

// check is one line of the report. Its name says what was looked at, and several lines may have the
// same one.
type check struct {
	Name    string       `json:"name"`
	Verdict checkVerdict `json:"verdict"`
	Message string       `json:"message"`

	exit console.ExitCode // of a check that failed; the causes differ, and so do their codes
}

// newDoctor makes doctor. It reads the configuration itself: a configuration that is not valid is a
// finding of this command, not an error that ends it. It sends no event, and shows the write key to
// nobody who does not know it already.
func newDoctor(p *Program) *cobra.Command {
	cmd := command("doctor", "Check the configuration, the receiver and the write key")
	addSource(p, cmd)
	addSettings(cmd, "timeout")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := p.readSettings(cmd)
		e := &examination{}
		e.configuration(s, err)
		if err == nil {
			ctx, cancel := limited(cmd.Context(), s)
			defer cancel()
			e.run(ctx, s)
		}
		if cmd.Context().Err() != nil {
			return console.Interrupted("checking")
		}
		return p.printChecks(e.checks)
	}
	return cmd
}

// examination collects the checks of doctor. A check that fails does not end it, so that one run
// names all that can be found out.
type examination struct{ checks []check }

// say adds a check that has not failed. What is not checked is said with the reason, lest silence
// pass for success.
func (e *examination) say(v checkVerdict, name, format string, args ...any) {
	e.checks = append(e.checks, check{Name: name, Verdict: v, Message: fmt.Sprintf(format, args...)})
}

// fail adds a failure. The first one decides what the command ends with.
func (e *examination) fail(name string, exit console.ExitCode, format string, args ...any) {
	e.checks = append(e.checks, check{name, verdictFailed, fmt.Sprintf(format, args...), exit})
}

// run makes the checks in the order in which a message meets what they check. It stops where the
// next ones would only repeat the failure.
func (e *examination) run(ctx context.Context, s *settings.Settings) {
	e.stores(ctx, s)
	source, configured, err := s.Chosen()
	switch {
	case err != nil:
		e.fail("source", console.ExitUsage, "%s", err)
		return
	case !configured:
		e.say(verdictWarning, "source", "none is configured: run sends to its own emulator, and no event reaches "+
			"Segment; set SEGMENT_WRITE_KEY and SEGMENT_REGION")
		e.say(verdictNotChecked, "receiver", "there is none")
		e.say(verdictNotChecked, "write key", "there is none")
		return
	}
	chosen := "the only one"
	if s.DefaultSource != "" {
		chosen = "chosen by " + s.Origin("defaultSource")
	}
	e.say(verdictOK, "source", "%q, %s", source.Name, chosen)
	// A missing key is a failure, but not the last: the receiver may be wrong as well.
	key, origin, err := s.Key(source)
	if err != nil {
		e.fail("write key", console.ExitCredentials, "%s", err)
	}
	target := s.Tracking(source, key)
	base, err := target.URL()
	if err != nil {
		e.fail("receiver", console.ExitUsage, "%s", err)
		return
	}
	e.region(source, base)
	// All of the look-ups are bounded: what does not answer in time is a finding like others.
	client := network()
	defer client.GetClient().CloseIdleConnections()
	e.reach(ctx, client, base)
	if key != "" {
		e.key(ctx, client, s, target, base, origin)
	}
	// It is the last line, because a reader may take an "ok" above for this.
	e.say(verdictNotChecked, "destinations",
		"Segment confirms receipt, not delivery; see the source's Debugger and Delivery Overview in Segment")
}

// configuration reports how reading the configuration went, with a line for each fault. The
// warnings that other commands print to stderr are findings here.
func (e *examination) configuration(s *settings.Settings, err error) {
	const name = "configuration"
	invalid, ok := errors.AsType[*settings.Error](err)
	switch {
	case ok:
		for _, fault := range invalid.Faults {
			e.fail(name, console.ExitUsage, "%s", fault)
		}
		return
	case err != nil:
		e.fail(name, console.ExitUsage, "%s", err)
		return
	case s.File == "":
		e.say(verdictOK, name, "no file; environment variables and defaults")
	default:
		e.say(verdictOK, name, "%s", s.File)
	}
	for _, w := range s.Warnings {
		e.say(verdictWarning, name, "%s", w)
	}
}

// region says where events go, and warns if nobody has chosen that: Segment's default loses the
// data of a workspace in the EU.
func (e *examination) region(source settings.Source, base string) {
	switch {
	case source.Endpoint != "" && strings.HasPrefix(base, "http://") && !isLocal(base):
		e.say(verdictWarning, "receiver", "%s; the write key and the events travel unencrypted", base)
	case source.Endpoint == "" && source.Region == "": // Segment's default, and the costliest mistake
		e.say(verdictWarning, "receiver", "%s, because no region is set; if the workspace keeps its data in the "+
			"EU, every event is lost behind a 200: state us or eu", base)
	case base == "https://events.eu1.segmentapis.com":
		e.say(verdictOK, "receiver", "%s, as in Segment's SDKs; the page of its HTTP API names "+
			"eu1.api.segmentapis.com for the EU, which endpoint can set", base)
	case base == "https://eu1.api.segmentapis.com":
		e.say(verdictOK, "receiver", "%s, as on the page of Segment's HTTP API; its SDKs and region: eu use "+
			"events.eu1.segmentapis.com", base)
	default:
		e.say(verdictOK, "receiver", "%s", base)
	}
}

// reach sends a request that is no tracking call. Any answer will do: the name resolves, the
// connection works, the certificate is trusted. The answer's time tells whether this machine's
// clock is right.
func (e *examination) reach(ctx context.Context, client *resty.Client, base string) {
	began := time.Now()
	a, err := client.R().SetContext(ctx).Head(base + "/")
	if err != nil {
		e.fail("reachable", console.ExitUnreachable, "no answer from %s: %s", base, bare(err))
		e.say(verdictNotChecked, "clock", "the receiver did not answer")
		return
	}
	e.say(verdictOK, "reachable", "answered in %d ms", time.Since(began).Milliseconds())
	// Timestamps are those of this machine. Within half a minute nobody notices.
	const tolerated = 30 * time.Second
	date, err := http.ParseTime(a.Header().Get("Date"))
	skew := time.Since(date).Round(time.Second)
	switch {
	case err != nil:
		e.say(verdictNotChecked, "clock", "the receiver does not send the time")
	case skew.Abs() > tolerated:
		e.say(verdictWarning, "clock", "this machine's clock is off by %s; Segment corrects timestamps for that, "+
			"other receivers may not", skew)
	default:
		e.say(verdictOK, "clock", "within %s of the receiver's", tolerated)
	}
}

// key checks the form of the write key, and looks it up if that shows it to nobody new. Segment's
// API cannot be asked: it answers 200 to any key.
func (e *examination) key(
	ctx context.Context, client *resty.Client, s *settings.Settings, target tracking.Source, base, origin string,
) {
	const name = "write key"
	// What cannot be a key need not be shown to anybody.
	if err := target.Validate(); err != nil {
		e.fail(name, console.ExitCredentials, "%s", err)
		return
	}
	// The report is made to be pasted into a ticket, so it names the key by its fingerprint.
	shown := fmt.Sprintf("%s from %s", target.WriteKey.Fingerprint(), origin)
	cdn, segments := s.CDN, target.Endpoint == ""
	switch {
	case segments && !strings.HasPrefix(cdn, "https://") && !isLocal(cdn):
		e.say(verdictNotChecked, name, "%s; the setting cdn is not https, and the key would travel unencrypted", shown)
		return
	case segments:
		if !target.WriteKey.LooksLikeSegments() {
			e.say(verdictWarning, name, "%s does not look like a key of Segment's, which has 32 letters and digits",
				shown)
		}
	case isLocal(base): // an emulator answers for Segment's CDN too
		cdn = base
	default:
		e.say(verdictNotChecked, name, "%s; doctor sends keys only to Segment and to this machine, "+
			"so it did not check this one", shown)
		return
	}
	found, err := lookUp(ctx, client, cdn, target)
	switch {
	case err != nil:
		e.say(verdictNotChecked, name, "%s; no answer from %s: %s", shown, cdn, err)
	case found.known:
		e.say(verdictOK, name, "%s is known to %s", shown, cdn)
		e.home(found, segments, base)
	case found.unknown:
		e.say(verdictWarning, name, "%s is not known to %s; it is wrong, or the source's settings are not published: "+
			"compare it with the source's API keys in Segment", shown, cdn)
	default:
		e.say(verdictNotChecked, name, "%s; %s answered %d, which says nothing about the key", shown, cdn, found.status)
	}
}

// home compares the receiver with the host to which the source's settings send browsers. They name
// the region of the workspace, the one thing that an accepted event does not tell.
func (e *examination) home(found publishedSettings, segments bool, base string) {
	const name = "region"
	host := strings.TrimPrefix(strings.TrimPrefix(base, "https://"), "http://")
	switch {
	case !segments:
	case found.apiHost == "":
		e.say(verdictNotChecked, name, "the source's settings do not name a region; "+
			"look for an event in the source's Debugger")
	case found.apiHost == host:
		e.say(verdictOK, name, "the source's settings name %s too", host)
	default:
		e.say(verdictWarning, name, "events go to %s, but the source's settings name %s: "+
			"in the wrong region every event is lost behind a 200", host, found.apiHost)
	}
}

// printChecks prints the report, and ends with the exit code of the first check that failed. The
// report is the result of the command, so an error beside it would say the same twice.
func (p *Program) printChecks(checks []check) error {
	// The first failure is the nearest to the cause: those after it may only follow from it.
	exit := console.ExitOK
	for _, c := range checks {
		exit = cmp.Or(exit, c.exit)
	}
	return p.conclude(exit, struct {
		OK     bool    `json:"ok"`
		Checks []check `json:"checks"`
	}{exit == console.ExitOK, checks}, func(w io.Writer) {
		style := p.Style(w)
		for _, c := range checks {
			word, label := fmt.Sprintf("%-11s", c.Verdict), fmt.Sprintf("  %-13s  ", c.Name)
			line := label + text.Escape(c.Message) + "\n"
			if console.IsTerminal(w) { // elsewhere a check is one line, for grep
				line = console.Hang(word+label, text.Escape(c.Message), console.PageWidth(w))[len(word):]
			}
			// Colors have no width, and only repeat what the word says.
			if paint := map[checkVerdict]func(string) string{
				verdictOK: style.Good, verdictWarning: style.Warn, verdictFailed: style.Bad,
			}[c.Verdict]; paint != nil {
				word = paint(word)
			}
			console.WriteString(w, word+line)
		}
	})
}

// stores checks the store of each durable source. Several may share one, which is looked at once.
func (e *examination) stores(ctx context.Context, s *settings.Settings) {
	own, err := ownStores(s)
	if err != nil {
		e.fail("store", console.ExitUsage, "%s", err)
	}
	for _, store := range own {
		e.store(ctx, s, store.source, store.path)
	}
}

// store checks one store, without making it: doctor leaves nothing behind. Each source in the file
// gets a line.
func (e *examination) store(ctx context.Context, s *settings.Settings, name, path string) {
	const line = "store" // of all checks of stores: the message says which
	var list []queueState
	q, err := openPath(ctx, name, path)
	if err == nil {
		list, err = q.states(s)
	}
	if errors.Is(err, delivery.ErrInUse) {
		e.say(verdictOK, line, "of %q is in use by a running segment-blocks: %s", name, path)
		return
	}
	if err == nil && !q.exists && !q.empty {
		err = canMake(path)
	}
	if err != nil {
		e.fail(line, console.ExitFailure, "of %q: %s", name, console.Sentence(err))
		return
	}
	for _, one := range list {
		// Nothing has failed yet, but somebody expects these messages to arrive.
		verdict := verdictOK
		if one.empty || one.Dead > 0 || !one.Configured {
			verdict = verdictWarning
		}
		e.say(verdict, line, "of %q: %s", one.Source, strings.Join(one.row()[1:], ", "))
	}
}

// canMake tries whether a file can be made, in the nearest folder that is there: those below it are
// made with the store. Only trying tells: modes say little about mounts, quotas and other users'
// folders.
func canMake(path string) error {
	dir := filepath.Dir(path)
	for {
		_, err := os.Stat(dir)
		if err == nil || dir == filepath.Dir(dir) {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		dir = filepath.Dir(dir)
	}
	f, err := os.CreateTemp(dir, ".segment-blocks-*") // gone again below
	if err != nil {
		return fmt.Errorf("it is not there and cannot be made: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
