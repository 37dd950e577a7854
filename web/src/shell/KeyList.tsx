import { useTranslation } from "react-i18next";
import { bindings } from "../lib/keys";
import { useSignal } from "../lib/signal";
import { ModalDialog } from "../parts/ModalDialog";

/** What each key does on this page, now. */
export default function KeyList({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const keys = useSignal(bindings);
  const shown = new Map(keys.map((binding) => [binding.key, binding.label]));
  return (
    <ModalDialog title={t("keys.title")} onClose={onClose}>
      <dl className="key-list">
        {[...shown].map(([key, label]) => (
          <div key={key}><dt><kbd className="key-cap">{key}</kbd></dt><dd>{label}</dd></div>
        ))}
        <div><dt><kbd className="key-cap">← →</kbd></dt><dd>{t("keys.cursor")}</dd></div>
        <div><dt><kbd className="key-cap">Esc</kbd></dt><dd>{t("keys.back")}</dd></div>
      </dl>
      <p className="quiet">{t("keys.note")}</p>
    </ModalDialog>
  );
}
