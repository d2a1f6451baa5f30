package rawjson

// Check and ParseObject without the scanner.
var (
	CheckCarefully = check
	ParseCarefully = parseObject
)
