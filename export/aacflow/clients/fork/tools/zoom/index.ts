import { airtableReadTool } from '@/tools/airtable'
import type { ToolConfig } from '@/tools/types'

export const zoomListTool: ToolConfig = { ...airtableReadTool, id: 'zoom_list' }
