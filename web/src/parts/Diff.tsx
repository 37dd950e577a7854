import { useTranslation } from "react-i18next";
import type { Change, Json } from "../api/types";
import { diffLines, type DiffLine, foldUnchanged, meaningChanges } from "./diffLines";

/** Two texts line by line: two number columns, sign, tint and weight; unchanged parts folded with their count. */
export function TextDiff({ before, after }: { before: string; after: string }) {
  const { t } = useTranslation();
  const lines = foldUnchanged(diffLines(before, after));
  return (
    <div className="diff" role="table" aria-label={t("diff.label")} tabIndex={0}>
      {lines.map((line, index) => ("folded" in line ? (
        <div key={index} role="row" className="diff-folded"><span role="cell">{t("diff.unchanged", { count: line.folded })}</span></div>
      ) : <DiffRow key={index} line={line} />))}
    </div>
  );
}

function DiffRow({ line }: { line: DiffLine }) {
  return (
    <div role="row" className={`diff-row diff-${line.kind}`}>
      <span role="cell" className="diff-number">{line.before ?? ""}</span>
      <span role="cell" className="diff-number">{line.after ?? ""}</span>
      <span role="cell" className="diff-sign">{line.kind === "add" ? "+" : line.kind === "del" ? "−" : ""}</span>
      <span role="cell" className="diff-text">{line.text || " "}</span>
    </div>
  );
}

/** Changes by path, old beside new; a text of several lines gets a diff of its own. */
export function ChangeList({ changes }: { changes: readonly Change[] }) {
  const { t } = useTranslation();
  if (changes.length === 0) return <p className="quiet">{t("diff.none")}</p>;
  const sentences = meaningChanges(changes);
  return (
    <>
      {changes.map((change) => {
        const before = asText(change.before);
        const after = asText(change.after);
        const long = before.includes("\n") || after.includes("\n");
        return (
          <div key={change.path} className="change">
            <code className="change-path">{change.path || "/"}</code>
            {long ? <TextDiff before={before} after={after} /> : (
              <div className="diff" role="table" aria-label={change.path || "/"}>
                {change.before !== null && <DiffRow line={{ kind: "del", before: null, after: null, text: before }} />}
                {change.after !== null && <DiffRow line={{ kind: "add", before: null, after: null, text: after }} />}
              </div>
            )}
          </div>
        );
      })}
      {sentences.map((sentence) => (
        <p key={sentence.path} className="diff-meaning"><b>{sentence.name}</b> {t(`diff.${sentence.kind}`, sentence.values)}</p>
      ))}
    </>
  );
}

export function asText(value: Json | null): string {
  if (typeof value === "string") return pretty(value);
  return value === null ? "" : JSON.stringify(value, null, 2);
}

/** A bootstrap config is often JSON in a string: laid out, its lines can be compared. */
function pretty(text: string): string {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
