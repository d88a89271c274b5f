from commands.main import app

app()
