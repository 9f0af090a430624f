"""How long to try: what days that have not come would show, in closed form, before any has."""
