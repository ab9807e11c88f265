"""The database: tables, connections, migrations, backups. It knows no rules of the rooms above."""
