package yamljson_test

import (
	"fmt"

	"github.com/aacflow/segment-blocks/rawjson/yamljson"
)

func ExampleRead() {
	file := yamljson.Read([]byte("total: 42.50\nitems:\n  - {sku: a-1, count: .inf}\n"))
	fmt.Println(string(file.JSON))
	for _, fault := range file.Faults {
		fmt.Println(fault.Line, fault.Path, fault.Message)
	}
	fmt.Println(file.Value("/items"))
	fmt.Println(file.Key("/items"))
	fmt.Println(file.Value("/items/0/price")) // is not there: what should hold it
	// Output:
	// {"total":42.50,"items":[{"sku":"a-1","count":null}]}
	// 3 /items/0/count must be a JSON value: .inf
	// 3 3
	// 2 1
	// 3 5
}
