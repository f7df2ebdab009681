from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", env_prefix="ORDERS_")

    secret_key: str
    database_url: str
    redis_url: str = "redis://localhost"


settings = Settings()
