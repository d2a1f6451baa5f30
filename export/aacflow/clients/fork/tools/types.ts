// The shape of a tool in Sim v0.8.9, as far as a generated one may use it.
export type ParameterVisibility = 'user-or-llm' | 'user-only' | 'llm-only' | 'hidden'

export type OutputType =
  | 'string'
  | 'number'
  | 'boolean'
  | 'json'
  | 'file'
  | 'file[]'
  | 'array'
  | 'object'

export interface OutputProperty {
  type: OutputType
  description?: string
  optional?: boolean
  properties?: Record<string, OutputProperty>
}

export interface ToolResponse {
  success: boolean
  output: Record<string, any>
  error?: string
}

export interface ToolParameter {
  /** Any string in Sim. These are the ones that mean something. */
  type: 'string' | 'number' | 'boolean' | 'json' | 'array' | 'file' | 'file[]'
  required?: boolean
  visibility?: ParameterVisibility
  default?: unknown
  description?: string
}

export interface ToolConfig<P = any, R = any> {
  id: string
  name: string
  description: string
  version: string
  params: Record<string, ToolParameter>
  errorExtractor?: string
  request: {
    url: string | ((params: P) => string)
    method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH' | 'HEAD'
    headers: (params: P) => Record<string, string>
    body?: (params: P) => Record<string, any> | string | undefined
    retry?: { enabled: boolean; maxRetries?: number; retryIdempotentOnly?: boolean }
  }
  transformResponse?: (response: Response, params?: P) => Promise<R>
  outputs?: Record<string, OutputProperty>
}
