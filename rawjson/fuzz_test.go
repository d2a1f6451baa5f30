package rawjson_test

import (
	"bytes"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/internal/jsonscan"
	"github.com/aacflow/segment-blocks/rawjson"
)

func accepts(data []byte, limits rawjson.Limits) bool {
	s := jsonscan.New(data, limits.MaxBytes, limits.MaxDepth)
	return s.Skip() && s.End()
}

// The scanner accepts what the careful reader accepts, and nothing else.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,2.5e3,{"b":null}],"c":"\u00e9é"}`, `{"a":1,"a":2}`, `["\ud83d\ude00"]`, `[[[[[[]]]]]]`,
		`{"abcdefgh12345678":1,"abcdefgh 2345678":2}`,
		"\"\xe2\x82\"", `"aaaaaaaaaaaaaaaaaaaaaaaaa\"aaaaaaaaaa"`, `{"":"","":1}`, ` 1 `,
	} {
		f.Add([]byte(seed), 5)
	}
	f.Fuzz(func(t *testing.T, data []byte, depth int) {
		limits := rawjson.Limits{MaxDepth: 1 + depth&15}.WithDefaults()
		careful := rawjson.CheckCarefully(data, limits)
		require.Equal(t, careful == nil, accepts(data, limits), careful)
		require.Equal(t, careful, rawjson.Check(data, limits))
		if obj, err := rawjson.ParseObject(data, limits); err == nil {
			require.Equal(t, membersByDecoder(t, data), obj)
			require.Equal(t, obj, rawjson.OpenObject(data))
		}
	})
}

// membersByDecoder opens an object with another reader than ours.
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
