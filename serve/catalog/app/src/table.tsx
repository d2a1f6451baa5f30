// Tables for documentation and for past events.
import type { ComponentChildren } from "preact";
import type { Field } from "./types";
import "./ui";

// Table is a table that scrolls if it is too wide, also with the keyboard.
export function Table(props: { label: string; columns: ComponentChildren[]; children: ComponentChildren }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={props.label}>
      <table>
        <thead>
          <tr>
            {props.columns.map((column, i) => (
              <th key={i} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </div>
  );
}

// Row is a line of a table or of a list of values: a header, and the rest.
export function Row({ of, cells, title }: { of: ComponentChildren; cells: ComponentChildren[]; title?: string }) {
  return (
    <tr title={title}>
      <th scope="row">{typeof of === "string" ? <code>{of}</code> : of}</th>
      {cells.map((cell, i) => (
        <td key={i}>{cell}</td>
      ))}
    </tr>
  );
}

// Values is a table of names and values, without a head.
export function Values({ children }: { children: ComponentChildren }) {
  return (
    <table>
      <tbody>{children}</tbody>
    </table>
  );
}

// typeName returns the type of a parameter or of a member of an output, as tables show it.
export function typeName(field: Field): string {
  return field.kinds?.includes("null") ? `${field.type} or null` : field.type;
}
