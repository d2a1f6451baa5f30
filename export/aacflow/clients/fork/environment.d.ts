// What the generated files use of Node and React.
declare const process: { env: Record<string, string | undefined> }

declare module 'react' {
  export interface SVGProps<T> {
    className?: string
    ref?: (element: T | null) => void
  }
}

declare namespace JSX {
  interface Element {
    readonly type: string
  }
  interface IntrinsicElements {
    svg: import('react').SVGProps<SVGSVGElement> & {
      viewBox: string
      fill: string
      xmlns: string
      'aria-hidden'?: 'true'
      children?: unknown
    }
    path: { d: string }
  }
}
