"""The log on `eventsourcing` recorders, one module per database.

    Log: EventLog ─→ AppendQueue ─→ Writer ─→ Recorder: MemoryRecorder, SQLiteRecorder
         what callers see  one commit   what is new   what one database offers
                           for many

A further database is one more `Recorder`; nothing above it changes.
"""
