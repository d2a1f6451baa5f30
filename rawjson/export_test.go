package rawjson

// CheckCarefully is Check without the scanner.
var CheckCarefully = check
