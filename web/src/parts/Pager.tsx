import { useTranslation } from "react-i18next";
import { PAGE_ROWS } from "../api/cursors";
import { useLanguage } from "../i18n/useLanguage";
import { formatNumber } from "../lib/format";
import { Button } from "./Button";
import { Icon } from "./Icon";

interface Props { label: string; id?: string; page: number; pages: number; total: number; shown: number; behind: boolean; onTurn: (page: number) => void }

/** Which rows of how many, and the way to the others. */
export function Pager({ label, id, page, pages, total, shown, behind, onTurn }: Props) {
  const { t } = useTranslation();
  const language = useLanguage();
  const number = (value: number) => formatNumber(value, 0, language);
  const first = page * PAGE_ROWS;
  const atStart = page === 0 ? t("pager.atStart") : null;
  const atEnd = page >= pages - 1 ? t("pager.atEnd") : null;
  return (
    <nav className="pager" aria-label={t("pager.of", { list: label })}>
      <span className="pager-range" id={id} role="status">
        {behind ? t("panel.loading") : t("pager.range", { from: number(first + 1), to: number(first + shown), total: number(total) })}
      </span>
      {pages > 1 && (
        <span className="pager-buttons">
          <Button size="small" unavailable={atStart} onClick={() => onTurn(0)}>{t("pager.first")}</Button>
          <Button size="small" unavailable={atStart} onClick={() => onTurn(page - 1)}><span className="pager-back"><Icon name="right" size={12} /></span>{t("pager.previous")}</Button>
          <span className="pager-page">{t("pager.page", { page: number(page + 1), pages: number(pages) })}</span>
          <Button size="small" unavailable={atEnd} onClick={() => onTurn(page + 1)}>{t("pager.next")}<Icon name="right" size={12} /></Button>
          <Button size="small" unavailable={atEnd} onClick={() => onTurn(pages - 1)}>{t("pager.last")}</Button>
        </span>
      )}
    </nav>
  );
}
