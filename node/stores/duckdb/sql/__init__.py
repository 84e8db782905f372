"""Questions as SQL text with parameters; nothing here touches the engine."""
