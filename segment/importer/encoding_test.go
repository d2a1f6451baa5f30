package importer

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// encoded writes a text in another encoding.
func encoded(t testing.TB, e encoding.Encoding, text string) string {
	out, err := e.NewEncoder().String(text)
	require.NoError(t, err)
	return out
}

// In each encoding the same text gives the same events, at the same places.
func TestEncodings(t *testing.T) {
	const event = `{"type":"track","event":"Größe € 5","userId":"u"}`
	for name, c := range map[string]struct {
		as   encoding.Encoding
		with Encoding
	}{
		"windows-1252":                   {charmap.Windows1252, Windows1252},
		"utf-16, little-endian":          {unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), UTF16},
		"utf-16, big-endian":             {unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), UTF16},
		"utf-16, little-endian and mark": {unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), UTF16},
		"utf-16, big-endian and mark":    {unicode.UTF16(unicode.BigEndian, unicode.UseBOM), UTF16},
		"utf-8":                          {encoding.Nop, UTF8},
	} {
		for _, text := range []string{event + "\r\n" + event + "\n", "[" + event + ",\n" + event + "]"} {
			text = encoded(t, c.as, text)
			require.Equal(t, []string{event, event}, all(t, JSON, text, Options{Encoding: c.with}), name)
		}
	}
	latin := encoded(t, charmap.ISO8859_1, "userId,event\nu,Größe\n")
	require.Equal(t, []string{`{"type":"track","userId":"u","event":"Größe"}`},
		all(t, CSV, latin, Options{Type: "track", Encoding: Latin1}))
}

// Half a character is a fault, and no event.
func TestTextThatIsNoneInItsEncoding(t *testing.T) {
	text := encoded(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), `{"type":"track"}`+"\n"+`{"type":"page"}`)
	want := []string{`{"type":"track"}`, "invalid_utf8  must be text in utf-16, and has other bytes."}
	require.Equal(t, want, all(t, JSON, text+"}", Options{Encoding: UTF16}))
	lone := strings.Replace(text, "p\x00a\x00", "\x00\xd8a\x00", 1) // half of a pair
	require.Equal(t, want, all(t, JSON, lone, Options{Encoding: UTF16}))
}

// Text in another encoding is an error before anything is sent, with its line and likely encoding.
func TestWrongEncodings(t *testing.T) {
	const text = "{\"type\":\"track\"}\n{\"event\":\"Größe\"}\n"
	utf16 := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	for _, c := range []struct {
		text string
		with Encoding
		want string
	}{
		{encoded(t, charmap.Windows1252, text), UTF8, "in utf-8, and line 2 looks like windows-1252; if it is,"},
		{encoded(t, utf16, text), UTF8, "in utf-8, and line 1 looks like utf-16; if it is, give --encoding utf-16"},
		{encoded(t, utf16, text), Latin1, "line 1 looks like utf-16"},
		{text, Windows1252, "in windows-1252, and line 2 looks like utf-8"},
		{text, Latin1, "line 2 looks like utf-8"},
		{text, UTF16, "line 2 looks like utf-8"},
		{`{"event":"A"}`, UTF16, "in utf-16, and line 1 looks like utf-8"},
		{"\xff\xfe\x00\x00{\x00\x00\x00", UTF16, "line 1 holds binary data or another encoding"},
		{"{\"type\":\"track\"}\n\x00\x00\x00", Latin1, "line 2 holds binary data or another encoding"},
		{text, "utf-7", `must be utf-8, utf-16, latin1 or windows-1252: "utf-7"`},
	} {
		r, err := New(Options{
			Files: []string{Stdin}, Stdin: strings.NewReader(c.text), Encoding: c.with, Invoke: invokeNothing,
		})
		if err == nil {
			_, err = r.newReader(position{}).next(t.Context())
		}
		var input *InputError
		require.ErrorAs(t, err, &input)
		require.ErrorContains(t, err, c.want)
	}
	// Behind the head that is examined, a line in another encoding is rejected by itself.
	got := all(t, JSON, strings.Repeat("{\"type\":\"track\"}\n", 10_000)+"{\"event\":\"\xfc\"}\n", Options{})
	require.Contains(t, got[10_000],
		"must be valid UTF-8; if the file has another encoding, name it with --encoding")
}

// A character that the end of the head cuts in two is no sign of another encoding.
func TestHeadEndsInACharacter(t *testing.T) {
	for pad := range 4 {
		text := strings.Repeat(" ", pad) + strings.Repeat("€", headBytes) + "\n"
		r := readerOfText(t, strings.NewReader(text))
		_, err := r.next(t.Context())
		require.True(t, err == nil || errors.Is(err, io.EOF), err)
	}
}
