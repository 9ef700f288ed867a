#!/bin/sh
# sets the clock: /cgi-bin/time.cgi?2026-01-31
echo "Content-Type: text/plain"
echo
eval "date -s $QUERY_STRING"
