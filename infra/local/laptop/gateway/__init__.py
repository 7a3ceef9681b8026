"""What the emulator cannot answer truthfully: the Redshift Data API, on Postgres, and Glue job runs, with the real script. The rest is passed on."""
