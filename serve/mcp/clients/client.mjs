// Connects with the official client, lists tools and reads resources, makes the calls it is told on stdin, the slow one to cancel it:
//   {"url", "headers"} or {"command", "env"}, "calls": [{"name", "arguments"}], "slow": {"name", "arguments"}
// and reports on stdout {"server", "tools", "pages", "results", "cancelled", "errors"}.
import { readFileSync } from 'node:fs'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'

const input = JSON.parse(readFileSync(0, 'utf8'))
const errors = []

const transport = input.url
  ? new StreamableHTTPClientTransport(new URL(input.url), { requestInit: { headers: input.headers } })
  : new StdioClientTransport({ command: input.command, env: { ...process.env, ...input.env } })
const client = new Client({ name: 'segment-blocks-mcp-clients', version: '1' })
client.onerror = (err) => errors.push(String(err))

await client.connect(transport)
await client.ping()
// Once the tools are listed, the client checks each result against its tool's output schema.
const { tools } = await client.listTools()
const { resources } = await client.listResources()
const pages = []
for (const { uri } of resources) pages.push((await client.readResource({ uri })).contents[0].text)

const results = []
for (const call of input.calls) results.push(await client.callTool(call))

let cancelled = null
if (input.slow) {
  const abort = new AbortController()
  setTimeout(() => abort.abort('no longer wanted'), 300)
  cancelled = await client.callTool(input.slow, undefined, { signal: abort.signal }).then(() => 'answered', String)
}
const server = client.getServerVersion()
if (input.url) await transport.terminateSession()
await client.close()
process.stdout.write(JSON.stringify({ server, tools, pages, results, cancelled, errors }))
