// The shape of a block in Sim from 21 March to August 2026, the tags left out that it lost in June, as far as a generated one may use it.
import type { SVGProps } from 'react'

export enum IntegrationType {
  Analytics = 'analytics',
  HR = 'hr',
  Marketing = 'marketing',
}

export enum AuthMode {
  OAuth = 'oauth',
  ApiKey = 'api_key',
  BotToken = 'bot_token',
}

type Value = string | number | boolean

export interface Condition {
  field: string
  value: Value | Value[]
  not?: boolean
}

export type GenerationType = 'json-object' | 'json-schema' | 'sql-query' | 'timestamp' | 'timezone'

export interface SubBlockConfig {
  id: string
  title?: string
  type: 'short-input' | 'long-input' | 'dropdown' | 'combobox' | 'switch' | 'slider' | 'table' | 'code'
  mode?: 'basic' | 'advanced' | 'both' | 'trigger'
  paramVisibility?: 'user-or-llm' | 'user-only' | 'llm-only' | 'hidden'
  required?: boolean | Condition
  options?: { label: string; id: string }[]
  value?: (params: Record<string, any>) => string
  placeholder?: string
  wandConfig?: {
    enabled: boolean
    prompt: string
    generationType?: GenerationType
    placeholder?: string
    maintainHistory?: boolean
  }
  password?: boolean
  description?: string
  condition?: Condition
}

export interface ParamConfig {
  type: 'string' | 'number' | 'boolean' | 'json' | 'array' | 'file'
  description?: string
}

export interface OutputField {
  type: 'string' | 'number' | 'boolean' | 'json' | 'array' | 'file' | 'file[]' | 'any'
  description?: string
}

export interface BlockConfig {
  type: string
  name: string
  description: string
  longDescription?: string
  docsLink?: string
  category: 'blocks' | 'tools' | 'triggers'
  integrationType?: IntegrationType
  bgColor: string
  icon: (props: SVGProps<SVGSVGElement>) => JSX.Element
  authMode?: AuthMode
  subBlocks: SubBlockConfig[]
  tools: {
    access: string[]
    config?: {
      tool: (params: Record<string, any>) => string
      params?: (params: Record<string, any>) => Record<string, any>
    }
  }
  inputs: Record<string, ParamConfig>
  outputs: Record<string, OutputField>
}
