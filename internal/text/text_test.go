package text_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/internal/text"
)

func TestClip(t *testing.T) {
	require.Equal(t, "", text.Clip("", 3))
	require.Equal(t, "abc", text.Clip("abc", 3))
	require.Equal(t, "abc…", text.Clip("abcd", 3))
	require.Equal(t, "äöü", text.Clip("äöü", 3), "characters are counted, not bytes")
	require.Equal(t, "äö…", text.Clip("äöü", 2))
}

func TestOneLine(t *testing.T) {
	require.Equal(t, "a b c", text.OneLine(" a\r\n\tb\x1b \u202ec\n"))
	require.Equal(t, "a�b", text.OneLine("a\xffb"))
}

func TestEscape(t *testing.T) {
	require.Equal(t, "plain  text", text.Escape("plain  text"))
	require.Equal(t, `a\nb\x1b\u202ec\u2028`, text.Escape("a\nb\x1b\u202ec\u2028"))
	require.Equal(t, `a\ufffdb`, text.Escape("a\xffb"))
}

func TestOr(t *testing.T) {
	require.Equal(t, "json", text.Or("json"))
	require.Equal(t, "json or yaml", text.Or("json", "yaml"))
	require.Equal(t, "text, json or yaml", text.Or("text", "json", "yaml"))
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 999: "999", 1000: "1,000", -999: "-999", -123456: "-123,456",
		math.MaxInt64: "9,223,372,036,854,775,807",
	} {
		require.Equal(t, want, text.Grouped(n))
	}
}

func TestCell(t *testing.T) {
	require.Equal(t, `a \| b &lt;c> &#123;&#123;D}} e`, text.Cell(" a | b <c> {{D}}\ne\n"))
}
