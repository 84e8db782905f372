"""Questions as SQL, as far as all engines say it alike; nothing here touches an engine."""
