package rest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/serve/invocations"
	"github.com/aacflow/segment-blocks/serve/rest"
)

// described is the API's own description, read back by a validator.
func (b *bench) described() (*openapi3.T, routers.Router) {
	b.t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(b.ask("GET", "/openapi.json", "").text))
	require.NoError(b.t, err)
	require.True(b.t, doc.IsOpenAPI31OrLater())
	require.NoError(b.t, doc.Validate(b.t.Context()))
	router, err := legacy.NewRouter(doc)
	require.NoError(b.t, err)
	return doc, router
}

// check sends a request and demands that the answer, and the request where strict says so, are as
// described.
func (b *bench) check(router routers.Router, strict bool, method, path, body string, headers ...string) answer {
	b.t.Helper()
	a := b.ask(method, path, body, headers...)
	req, err := http.NewRequest(method, path, strings.NewReader(body))
	require.NoError(b.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	route, params, err := router.FindRoute(req)
	require.NoError(b.t, err, path)
	input := &openapi3filter.RequestValidationInput{
		Request: req, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
			IncludeResponseStatus: true,
		},
	}
	if strict {
		require.NoError(b.t, openapi3filter.ValidateRequest(b.t.Context(), input), body)
	}
	require.NoError(b.t, openapi3filter.ValidateResponse(b.t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: a.StatusCode, Header: a.Header,
		Body: io.NopCloser(bytes.NewReader([]byte(a.text))), Options: input.Options,
	}), a.text)
	return a
}

func TestOpenAPI(t *testing.T) {
	b := startWith(t, rest.Config{Invocations: invocations.New(invocations.Config{KeepInputs: true})})
	doc, router := b.described()
	for _, block := range b.registry.List() {
		id := block.Manifest().ID
		for _, verb := range []string{"invoke", "preview", "validate"} {
			require.NotNil(t, doc.Paths.Value("/v1/blocks/"+id+"/"+verb), id)
		}
		content := doc.Paths.Value("/v1/blocks/" + id + "/invoke").Post.RequestBody.Value.Content["application/json"]
		require.NotEmpty(t, content.Examples, "%s has a strict example", id)
	}
	for _, path := range []string{
		"/v1/blocks", "/v1/blocks/segment_batch", "/v1/blocks/segment_trak", "/v1/blocks/segment_track/schema/input",
		"/v1/errors", "/v1/sources",
		"/v1/errors/rejected", "/v1/errors/x", "/v1/blocks?x=1",
	} {
		b.check(router, false, "GET", path, "")
	}
	b.check(router, false, "POST", "/v1/blocks/segment_track/invoke", `{}`)
	b.check(router, false, "POST", "/v1/blocks/segment_track/validate", `{"input":{}}`)
	result := "application/vnd.aacflow.result+json"
	b.check(
		router,
		true,
		"POST",
		"/v1/blocks/segment_track/invoke",
		`{"input":{"event":"e","userId":"u"}}`,
		"Accept",
		result,
	)
	b.check(router, false, "POST", "/v1/blocks/segment_track/invoke", `{"input":{}}`, "Accept", result)
	require.NoError(t, b.segment.Script(emulator.Fault{Status: 400}))
	b.check(router, true, "POST", "/v1/blocks/segment_track/invoke", `{"input":{"event":"e","userId":"u"}}`)
	a := b.check(router, true, "GET", "/v1/invocations?after=0", "")
	require.Contains(t, a.text, `"code":"rejected"`)
	require.Contains(t, a.text, `"input":{"event":"e","userId":"u"}`)
	b.check(router, false, "GET", "/v1/invocations?after=x", "")
}

// TestExamples runs everything that the manifests show, through the description of the API as well.
func TestExamples(t *testing.T) {
	b := start(t)
	_, router := b.described()
	for _, block := range b.registry.List() {
		m := block.Manifest()
		for _, x := range m.Examples {
			t.Run(m.ID+"/"+x.Title, func(t *testing.T) {
				strict := len(m.Input.Validate(t.Context(), x.Input)) == 0
				body, err := json.Marshal(map[string]any{"input": x.Input})
				require.NoError(t, err)
				a := b.check(router, strict, "POST", "/v1/blocks/"+m.ID+"/invoke", string(body))
				require.Equal(t, 200, a.StatusCode, a.text)
				var got struct{ Output json.RawMessage }
				a.into(t, &got)
				require.JSONEq(t, string(x.Output.JSON()), string(got.Output))
				require.Equal(t, 200,
					b.check(router, strict, "POST", "/v1/blocks/"+m.ID+"/preview", string(body)).StatusCode)
				verdict := b.check(router, strict, "POST", "/v1/blocks/"+m.ID+"/validate", string(body))
				require.JSONEq(t, `{"valid":true,"violations":[]}`, verdict.text)
			})
		}
		for _, x := range m.Refused {
			t.Run(m.ID+"/"+x.Title, func(t *testing.T) {
				body, err := json.Marshal(map[string]any{"input": x.Input})
				require.NoError(t, err)
				a := b.check(router, false, "POST", "/v1/blocks/"+m.ID+"/invoke", string(body))
				require.Contains(t, []int{413, 422}, a.StatusCode)
				var p struct{ Violations []schemas.Violation }
				a.into(t, &p)
				for i := range p.Violations {
					p.Violations[i].Message = ""
				}
				require.ElementsMatch(t, x.Violations, p.Violations)
			})
		}
	}
}
