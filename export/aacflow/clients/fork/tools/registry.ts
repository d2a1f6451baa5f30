import type { ToolConfig } from '@/tools/types'
// add: imports

export const tools: Record<string, ToolConfig> = {
  // add: tools
}
