package jsonscan_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/internal/jsonscan"
	"github.com/aacflow/segment-blocks/rawjson"
)

func accepts(data []byte, limits rawjson.Limits) bool {
	limits = limits.WithDefaults()
	s := jsonscan.New(data, limits.MaxBytes, limits.MaxDepth)
	return s.Skip() && s.End()
}

func TestScannerAccepts(t *testing.T) {
	many := "{"
	for i := range 60 {
		many += strings.Repeat(",", min(i, 1)) + `"` + strings.Repeat("k", i+1) + `":` + "1"
	}
	many += "}"
	for _, text := range []string{
		`{}`, `[]`, `""`, `0`, `-0`, `-1.5e+10`, `1E5`, `true`, `false`, `null`, " \t\r\n{ } ", `"é 漢 😀"`,
		`"\u00e9\n\"\\\/\b\f\r\t"`, `"1234567"`,
		`"12345678"`, `"123456789"`, `{"a":[1,{"b":[]},""],"c":{"a":1}}`, `[ 1 , 2 ]`, `{ "a" : 1 , "b" : 2 }`, many,
		`{"\u0061":1,"b":2}`,
		`{"abcdefgh-1-abcdefgh":1,"abcdefgh-2-abcdefgh":2}`, `"\ud83d\ude00 \uD83D\uDE00"`,
	} {
		require.True(t, accepts([]byte(text), rawjson.Limits{}), text)
	}
}

func TestScannerRefuses(t *testing.T) {
	for _, text := range []string{
		``, ` `, `{`, `}`, `[`, `]`, `"`, `"abc`, `"abcdefg`, `"abcdefgh`, `"\`, `"\"`, `"\x"`, `"\u12"`, `"\u12g4"`,
		`"\ud800"`, `"\udc00"`, `"\ud800\u0041"`, `"\ud800\`, `"\ud800A"`, `"\ud83d\ud83d"`, "\"a\nb\"", "\"\x00\"",
		"\"\x7f\xff\"",
		"\"\xc3\"", `01`, `-`, `1.`, `.5`, `1e`, `1e+`, `+1`, `tru`, `nul`, `fals`, `True`, `{"a"}`, `{"a":}`,
		`{"a":1,}`,
		`{,}`, `{"a":1 "b":2}`, `{a:1}`,
		`[1,]`, `[,1]`, `[1 2]`, `{"a":1]`, `[1}`, `1 2`, `{} {}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`,
		`[{"x":{"y":1,"y":1}}]`, "\ufeff{}", "{\"\xff\":1}", `1,`, `"a"b`,
	} {
		require.False(t, accepts([]byte(text), rawjson.Limits{}), text)
		require.Error(t, rawjson.Check([]byte(text), rawjson.Limits{}), text)
	}
	require.True(t, accepts([]byte(`[[[]]]`), rawjson.Limits{MaxDepth: 3}))
	require.False(t, accepts([]byte(`[[[]]]`), rawjson.Limits{MaxDepth: 2}))
	require.False(t, accepts([]byte(`[1,2]`), rawjson.Limits{MaxBytes: 4}))
}
