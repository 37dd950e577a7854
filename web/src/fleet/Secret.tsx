import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "../parts/Button";
import { ModalDialog } from "../parts/ModalDialog";

/** A key, shown once and never again. */
export function SecretDialog({ title, facts, onClose }: { title: string; facts: readonly { label: string; value: string }[]; onClose: () => void }) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState<string | null>(null);
  const copy = async (value: string) => {
    try {
      await navigator.clipboard.writeText(value);
      setCopied(value);
    } catch {
      setCopied(null);
    }
  };
  return (
    <ModalDialog title={title} onClose={onClose}>
      <p>{t("secret.once")}</p>
      {facts.map((fact) => (
        <div key={fact.label} className="secret">
          <span className="quiet">{fact.label}</span>
          <code tabIndex={0}>{fact.value}</code>
          <Button size="small" onClick={() => void copy(fact.value)}>{copied === fact.value ? t("secret.copied") : t("secret.copy")}</Button>
        </div>
      ))}
      <div className="dialog-actions"><Button kind="primary" onClick={onClose}>{t("secret.kept")}</Button></div>
    </ModalDialog>
  );
}
