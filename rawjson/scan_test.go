package rawjson_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
)

func accepts(data []byte, limits rawjson.Limits) bool {
	s := rawjson.NewScanner(data, limits)
	return s.Skip() && s.End()
}

func TestScannerAccepts(t *testing.T) {
	many := "{"
	for i := range 60 {
		many += strings.Repeat(",", min(i, 1)) + `"` + strings.Repeat("k", i+1) + `":` + "1"
	}
	many += "}"
	for _, text := range []string{
		`{}`, `[]`, `""`, `0`, `-0`, `-1.5e+10`, `1E5`, `true`, `false`, `null`, " \t\r\n{ } ", `"é 漢 😀"`, `"\u00e9\n\"\\\/\b\f\r\t"`, `"1234567"`,
		`"12345678"`, `"123456789"`, `{"a":[1,{"b":[]},""],"c":{"a":1}}`, `[ 1 , 2 ]`, `{ "a" : 1 , "b" : 2 }`, many, `{"\u0061":1,"b":2}`,
		`{"abcdefgh-1-abcdefgh":1,"abcdefgh-2-abcdefgh":2}`, `"\ud83d\ude00 \uD83D\uDE00"`,
	} {
		require.True(t, accepts([]byte(text), rawjson.Limits{}), text)
	}
}

func TestScannerRefuses(t *testing.T) {
	for _, text := range []string{
		``, ` `, `{`, `}`, `[`, `]`, `"`, `"abc`, `"abcdefg`, `"abcdefgh`, `"\`, `"\"`, `"\x"`, `"\u12"`, `"\u12g4"`, `"\ud800"`, `"\udc00"`, `"\ud800\u0041"`, `"\ud800\`, `"\ud800A"`, `"\ud83d\ud83d"`, "\"a\nb\"", "\"\x00\"", "\"\x7f\xff\"",
		"\"\xc3\"", `01`, `-`, `1.`, `.5`, `1e`, `1e+`, `+1`, `tru`, `nul`, `fals`, `True`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":1 "b":2}`, `{a:1}`,
		`[1,]`, `[,1]`, `[1 2]`, `{"a":1]`, `[1}`, `1 2`, `{} {}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `[{"x":{"y":1,"y":1}}]`, "\ufeff{}", "{\"\xff\":1}", `1,`, `"a"b`,
	} {
		require.False(t, accepts([]byte(text), rawjson.Limits{}), text)
		require.Error(t, rawjson.Check([]byte(text), rawjson.Limits{}), text)
	}
	require.True(t, accepts([]byte(`[[[]]]`), rawjson.Limits{MaxDepth: 3}))
	require.False(t, accepts([]byte(`[[[]]]`), rawjson.Limits{MaxDepth: 2}))
	require.False(t, accepts([]byte(`[1,2]`), rawjson.Limits{MaxBytes: 4}))
}

// The scanner accepts what the careful reader accepts, and nothing else.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,2.5e3,{"b":null}],"c":"\u00e9é"}`, `{"a":1,"a":2}`, `["\ud83d\ude00"]`, `[[[[[[]]]]]]`, `{"abcdefgh12345678":1,"abcdefgh 2345678":2}`,
		"\"\xe2\x82\"", `"aaaaaaaaaaaaaaaaaaaaaaaaa\"aaaaaaaaaa"`, `{"":"","":1}`, ` 1 `,
	} {
		f.Add([]byte(seed), 5)
	}
	f.Fuzz(func(t *testing.T, data []byte, depth int) {
		limits := rawjson.Limits{MaxDepth: 1 + depth&15}
		careful := rawjson.CheckCarefully(data, limits)
		require.Equal(t, careful == nil, accepts(data, limits), careful)
		require.Equal(t, careful, rawjson.Check(data, limits))
		if obj, err := rawjson.ParseObject(data, limits); err == nil {
			require.Equal(t, membersByDecoder(t, data), obj)
			require.Equal(t, obj, rawjson.OpenObject(data))
		}
	})
}

// membersByDecoder opens an object by another reader than ours.
func membersByDecoder(t *testing.T, data []byte) rawjson.Object {
	d := jsontext.NewDecoder(bytes.NewBuffer(data))
	_, err := d.ReadToken()
	require.NoError(t, err)
	obj := rawjson.Object{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		require.NoError(t, err)
		m := rawjson.Member{Name: name.String()}
		value, err := d.ReadValue()
		require.NoError(t, err)
		m.Value = bytes.Clone(value)
		obj = append(obj, m)
	}
	return obj
}
