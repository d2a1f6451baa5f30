// The shape of an exported workflow, as far as a generated one may use it.
interface SubBlockState<T, V> {
  id: string
  type: T
  value: V
}

interface BlockState<T extends string, S> {
  id: string
  type: T
  name: string
  position: { x: number; y: number }
  subBlocks: S
  outputs: Record<string, { type: string; description: string }>
  enabled: boolean
  errorEnabled?: boolean
  retry?: { enabled: boolean; maxTries: 2 | 3 | 4 | 5; waitBetweenTriesMs: number }
}

type Start = BlockState<
  'start_trigger',
  {
    inputFormat: SubBlockState<
      'input-format',
      {
        id: string
        name: string
        type: 'string' | 'number' | 'boolean' | 'object' | 'array'
        description?: string
        value: string
      }[]
    >
  }
>

type McpTool = BlockState<
  'mcp',
  {
    server: SubBlockState<'mcp-server-selector', `mcp-${string}`>
    tool: SubBlockState<'mcp-tool-selector', `mcp-${string}-${string}`>
    arguments: SubBlockState<'mcp-dynamic-args', Record<string, unknown>>
    _toolSchema: SubBlockState<'short-input', { type: 'object'; properties: Record<string, object>; [keyword: string]: unknown }>
  }
>

type Respond = BlockState<
  'response',
  {
    dataMode: SubBlockState<'dropdown', 'json' | 'structured'>
    data: SubBlockState<'code', string>
    status: SubBlockState<'short-input', string>
  }
>

export interface WorkflowFile {
  version: '1.0'
  exportedAt: string
  state: {
    blocks: Record<string, Start | McpTool | Respond>
    edges: { id: string; source: string; target: string; sourceHandle?: 'source' | 'error'; targetHandle?: 'target' }[]
    loops: Record<string, never>
    parallels: Record<string, never>
    metadata: { name: string; description?: string }
    variables: Record<string, never>
  }
}
