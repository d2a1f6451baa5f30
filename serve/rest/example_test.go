package rest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/serve/rest"
)

func Example() {
	reg := registry.New()
	blocks.MustRegister(reg)
	rt, err := runtime.New(reg, runtime.Source("prod", tracking.Source{Region: tracking.EU}))
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := rest.New(rt, reg, rest.Config{}) // behind a guard, where it listens

	r := httptest.NewRequest(
		http.MethodPost,
		"/v1/blocks/segment_track/validate",
		strings.NewReader(`{"input":{"event":"Order Completed"}}`),
	)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	var body bytes.Buffer
	if err := json.Indent(&body, w.Body.Bytes(), "", "  "); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(w.Code, body.String())
	// Output:
	// 200 {
	//   "valid": false,
	//   "code": "invalid_input",
	//   "violations": [
	//     {
	//       "path": "",
	//       "code": "no_user_anon_id",
	//       "message": "must have userId or anonymousId"
	//     }
	//   ]
	// }
}
