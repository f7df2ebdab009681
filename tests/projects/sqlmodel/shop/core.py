import os


class Settings:
    def __init__(self):
        self.stage = os.getenv("SHOP_ENV", "prod")
        self.database_uri = os.getenv("SQLALCHEMY_DATABASE_URI", "sqlite:///shop.db")


settings = Settings()
