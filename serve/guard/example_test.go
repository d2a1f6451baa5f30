package guard_test

import (
	"fmt"

	"github.com/aacflow/segment-blocks/serve/guard"
)

func Example() {
	g, err := guard.New(guard.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g.Server(nil, "/healthz").MaxHeaderBytes)
	_, err = guard.New(guard.Config{Tokens: []string{"short"}})
	fmt.Println(err)
	// Output:
	// 32768
	// guard: a token must have at least 16 characters, all of them visible ASCII
}
