export interface ErrorInfo {
  status?: number
  statusText?: string
  data?: any
}

export interface ErrorExtractor {
  id: string
  description: string
  examples?: string[]
  extract: (errorInfo?: ErrorInfo) => string | null | undefined
}

export const extractors: ErrorExtractor[] = [
  // add: extractors
]
