// Parses TypeScript with the real compiler. Each line on stdin is {"files": {"name.ts": "text", …}}; each line on stdout lists what
// is wrong: what does not parse, and what the text makes run or name that the generator never writes.
import { createInterface } from 'node:readline'
import ts from 'typescript'

function faults(name, text) {
  const file = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true)
  const found = file.parseDiagnostics.map((d) => `${name}: ${ts.flattenDiagnosticMessageText(d.messageText, ' ')}`)
  const visit = (node) => {
    if (ts.isIdentifier(node) && node.text === 'PWNED') found.push(`${name}: runs PWNED`)
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

for await (const line of createInterface({ input: process.stdin })) {
  const { files } = JSON.parse(line)
  console.log(JSON.stringify(Object.entries(files).flatMap(([name, text]) => faults(name, text))))
}
