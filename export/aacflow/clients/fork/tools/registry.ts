import {
  airtableReadTool,
  airtableWriteTool,
} from '@/tools/airtable'
import type { ToolConfig } from '@/tools/types'
import { zoomListTool } from '@/tools/zoom'

export const tools: Record<string, ToolConfig> = {
  airtable_read:
    airtableReadTool,
  airtable_write: airtableWriteTool,
  zoom_list: zoomListTool,
}
