import { ToggleButton, ToggleButtonGroup } from "react-aria-components";

export interface Option<T extends string> { id: T; label: string; count?: number }

/** One of a few, all in sight: ranges, palettes, tabs of a list. */
export function Choice<T extends string>({ label, options, value, onChange }: { label: string; options: readonly Option<T>[]; value: T; onChange: (next: T) => void }) {
  return (
    <ToggleButtonGroup
      className="choice"
      aria-label={label}
      selectionMode="single"
      disallowEmptySelection
      selectedKeys={[value]}
      onSelectionChange={(keys) => {
        const [first] = [...keys];
        if (first !== undefined) onChange(first as T);
      }}
    >
      {options.map((option) => (
        <ToggleButton key={option.id} id={option.id} className="choice-option">
          {option.label}
          {option.count !== undefined && <span className="count">{option.count}</span>}
        </ToggleButton>
      ))}
    </ToggleButtonGroup>
  );
}
