/** Line icons: 16 px box, 1.4 px stroke, round caps. */
const PATHS = {
  overview: "M2 2h5v5H2zM9 2h5v3H9zM9 7h5v7H9zM2 9h5v5H2z",
  alarms: "M8 2L14.5 13.5H1.5zM8 6.5v3.5M8 12v.1",
  models: "M8 3.5a1.6 1.6 0 1 0 0-.1M3.5 12.5a1.6 1.6 0 1 0 0-.1M12.5 12.5a1.6 1.6 0 1 0 0-.1M7.3 5L4.6 10.5M8.7 5L11.6 10.5M5.5 12.5h5",
  rules: "M2 4h3M8 4h6M2 8h8M13 8h1M2 12h2M7 12h7M5 2.5v3M10.5 6.5v3M4.5 10.5v3",
  fleet: "M4 4h8v8H4zM6.5 6.5h3v3h-3zM6 1.5V4M10 1.5V4M6 12v2.5M10 12v2.5M1.5 6H4M1.5 10H4M12 6h2.5M12 10h2.5",
  components: "M2 2h4v4H2zM10 2h4v4h-4zM2 10h4v4H2zM12 9.5l2.5 4.5h-5z",
  search: "M7 2.5a4.5 4.5 0 1 0 .1 0M10.3 10.3L14 14",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  chevron: "M4 6l4 4 4-4",
  right: "M6 4l4 4-4 4",
  plus: "M8 3v10M3 8h10",
  check: "M3 8.5l3.5 3.5L13 4.5",
  users: "M6 7.5a2.5 2.5 0 1 0-.1 0M1.5 13.5c0-2.5 2-4 4.5-4s4.5 1.5 4.5 4M10.5 7a2 2 0 1 0 .1-4M12 9.5c1.6.5 2.5 2 2.5 4",
  more: "M2 4h12M2 8h12M2 12h12",
  pen: "M3 13l.7-3L11 2.7l2.3 2.3L6 12.3z",
  assets: "M2.5 13h11M4 13V8.5a4 4 0 0 1 8 0V13M8 2.5v2",
  person: "M8 2.5a2.8 2.8 0 1 0 .1 0M2.8 14a5.2 4.6 0 0 1 10.4 0",
  note: "M3 2.5h10v7.5l-3.5 3.5H3zM13 10H9.5v3.5",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Mark({ size = 20 }: { size?: number }) {
  return (
    <svg className="mark" width={size} height={size} viewBox="0 0 20 20" aria-hidden="true">
      <path d="M1.5 11h3.5l2.5-8 4.5 14 2.5-6h4" />
    </svg>
  );
}
