/** Patterns that every drawing shares; mounted once at the root. */
export function HatchPatterns() {
  return (
    <svg className="patterns" aria-hidden="true" width="0" height="0">
      <defs>
        <pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <line x1="1" y1="0" x2="1" y2="5" className="hatch-line" />
        </pattern>
        <pattern id="hatch-fault" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <line x1="1" y1="0" x2="1" y2="4" className="hatch-fault-line" />
        </pattern>
      </defs>
    </svg>
  );
}

/** The mark of data that cannot be trusted: stale, bad or missing. */
export function HatchSwatch() {
  return (
    <svg className="swatch" width="11" height="13" viewBox="0 0 11 13" aria-hidden="true">
      <rect x="0.5" y="0.5" width="10" height="12" fill="url(#hatch)" className="swatch-frame" />
    </svg>
  );
}
