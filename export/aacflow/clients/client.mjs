// Runs canvas blocks as the engine does: from the values of the form to what the next block sees. On stdin
//   {"root": "file:///…/out/", "calls": [{"block", "values", "model", "context"}]}
// where the values are those of the form or, if a model calls the block, parameters of the tool; and on stdout {"results": [{"success", "output", "error"}], "blocks", "metas", "tools"}.
import { readFileSync } from 'node:fs'
import { register } from 'node:module'

const input = JSON.parse(readFileSync(0, 'utf8'))
register('./resolve.mjs', import.meta.url, { data: { root: input.root } })
const { tools } = await import(new URL('tools/registry.js', input.root))
const { BLOCK_REGISTRY: blocks, BLOCK_META_REGISTRY: metas } = await import(new URL('blocks/registry-maps.js', input.root))

// runBlock maps the values of the form to the parameters of a tool. The engine reads inputs that are declared as JSON; where that
// fails it goes on with the text.
async function runBlock({ block, values, model, context }) {
  const config = blocks[block]
  const given = model ? values : { ...formOf(config, values.operation), ...values }
  const params = { ...given, ...config.tools.config.params(given) }
  for (const [name, { type }] of Object.entries(config.inputs)) {
    if ((type !== 'json' && type !== 'array') || typeof params[name] !== 'string' || !params[name].trim()) continue
    try {
      params[name] = JSON.parse(params[name])
    } catch {}
  }
  return executeTool(config.tools.config.tool(given), { ...params, _context: context })
}

// formOf has what a new block starts with, and for the fields of other operations what may be left of them.
function formOf(config, operation) {
  const form = {}
  for (const { id, condition, value } of config.subBlocks) {
    const shown = !condition || [condition.value].flat().includes(operation)
    form[id] = value ? value({}) : shown ? '' : 'left over from another operation'
  }
  return form
}

async function executeTool(id, params) {
  const tool = tools[id]
  if (!tool) return { success: false, output: {}, error: `Tool not found: ${id}` }
  try {
    return await executeRequest(tool, params)
  } catch (err) {
    return { success: false, output: {}, error: err.message }
  }
}

async function executeRequest(tool, params) {
  const { request } = tool
  const response = await fetch(typeof request.url === 'function' ? request.url(params) : request.url, {
    method: request.method,
    headers: request.headers(params),
    body: JSON.stringify(request.body(params)),
  })
  if (response.ok) return tool.transformResponse(response, params)
  const text = await response.text()
  let data = text
  try {
    data = JSON.parse(text)
  } catch {}
  const { status, statusText } = response
  // The host's own extractor of this name.
  const message = tool.errorExtractor === 'standard-message' ? data?.message : undefined
  const error = message || `Request failed with status ${status}`
  return { success: false, output: { status, statusText, data }, error }
}

const results = []
for (const call of input.calls) results.push(await runBlock(call))
process.stdout.write(JSON.stringify({ results, blocks, metas, tools }))
